/** The network that a configuration describes. */
import { backboneOf, type ResolvedConfig } from "../config/config.ts";
import { type HrnetStage, PoseHrnet } from "./hrnet.ts";
import type { PoseNetwork } from "./network.ts";
import { PoseResnet } from "./pose_resnet.ts";

type Model = Pick<ResolvedConfig, "MODEL">;

/** Builds it without memory; call store.materialise() next. */
export function buildNetwork({ MODEL }: Model): PoseNetwork {
  const { EXTRA } = MODEL;
  const shared = { joints: MODEL.NUM_JOINTS, finalKernel: EXTRA.FINAL_CONV_KERNEL, start: MODEL.INIT_WEIGHTS ? "pose" : "framework" } as const;
  if (backboneOf(MODEL) === "hrnet") {
    const stages = [EXTRA.STAGE2, EXTRA.STAGE3, EXTRA.STAGE4].map(
      (stage): HrnetStage => ({
        modules: stage.NUM_MODULES,
        block: stage.BLOCK === "BASIC" ? "basic" : "bottleneck",
        blocks: stage.NUM_BLOCKS,
        channels: stage.NUM_CHANNELS,
      }),
    );
    return new PoseHrnet({ ...shared, stages });
  }
  return new PoseResnet({
    ...shared,
    depth: EXTRA.NUM_LAYERS,
    width: EXTRA.WIDTH,
    deconvFilters: EXTRA.NUM_DECONV_FILTERS,
    deconvKernels: EXTRA.NUM_DECONV_KERNELS,
    deconvBias: EXTRA.DECONV_WITH_BIAS,
  });
}

/** What a table or a log calls it. */
export function networkName({ MODEL }: Model): string {
  const { EXTRA } = MODEL;
  return backboneOf(MODEL) === "hrnet" ? `HRNet-W${EXTRA.STAGE2.NUM_CHANNELS[0]}` : `PoseResNet-${EXTRA.NUM_LAYERS}`;
}
