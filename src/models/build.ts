/** The network that a configuration describes. */
import type { ResolvedConfig } from "../config/config.ts";
import type { PoseNetwork } from "./network.ts";
import { PoseResnet } from "./pose_resnet.ts";

/** Builds it without memory; call store.materialise() next. */
export function buildNetwork({ MODEL }: Pick<ResolvedConfig, "MODEL">): PoseNetwork {
  const { EXTRA } = MODEL;
  return new PoseResnet({
    depth: EXTRA.NUM_LAYERS,
    joints: MODEL.NUM_JOINTS,
    width: EXTRA.WIDTH,
    deconvFilters: EXTRA.NUM_DECONV_FILTERS,
    deconvKernels: EXTRA.NUM_DECONV_KERNELS,
    deconvBias: EXTRA.DECONV_WITH_BIAS,
    finalKernel: EXTRA.FINAL_CONV_KERNEL,
    start: MODEL.INIT_WEIGHTS ? "pose" : "framework",
  });
}
