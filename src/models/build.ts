/** The network that a configuration describes. */
import { backboneOf, type ResolvedConfig } from "../config/config.ts";
import { networkPrefix } from "../interop/state_names.ts";
import { type HrnetStage, PoseHrnet } from "./hrnet.ts";
import { ParameterStore } from "../nn/store.ts";
import type { ModelNetwork, PoseModel, PoseNetwork } from "./network.ts";
import { PoseResnet } from "./pose_resnet.ts";

type Model = Pick<ResolvedConfig, "MODEL">;

/** Where a network's tensors are declared. */
export interface NetworkPlace {
  store?: ParameterStore;
  prefix?: string;
}

/** How many networks a method trains. */
const NETWORKS: Readonly<Record<string, number>> = { pose_dual: 2, pose_sspcm: 3 };

/**
 * The networks that the configuration trains together, without memory. A single one has plain names; those of several begin
 * with "resnet.", "resnet2.", ... whatever the backbone, as in the source systems.
 */
export function buildModel(config: Model): PoseModel {
  const count = NETWORKS[config.MODEL.NAME] ?? 1;
  const store = new ParameterStore();
  const build = (i: number): ModelNetwork => {
    const prefix = count === 1 ? "" : networkPrefix(i + 1);
    return { prefix, network: buildNetwork(config, { store, prefix }) };
  };
  return { store, networks: [build(0), ...Array.from({ length: count - 1 }, (_, i) => build(i + 1))] };
}

/** Builds one network without memory; call store.materialise() next. */
export function buildNetwork({ MODEL }: Model, place: NetworkPlace = {}): PoseNetwork {
  const { EXTRA } = MODEL;
  const shared = { ...place, joints: MODEL.NUM_JOINTS, finalKernel: EXTRA.FINAL_CONV_KERNEL, start: MODEL.INIT_WEIGHTS ? "pose" : "framework" } as const;
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

/** How the source systems' tables begin: <H>x<W>_<name>_<layers>_<deconvolution widths>, without the last for HRNet. */
export function modelTitle({ MODEL }: Model): string {
  const { EXTRA, IMAGE_SIZE, NAME } = MODEL;
  const hrnet = backboneOf(MODEL) === "hrnet";
  const widths = hrnet ? "" : `_${EXTRA.NUM_DECONV_FILTERS.map((width) => `d${width}`).join("")}`;
  return `${IMAGE_SIZE[1]}x${IMAGE_SIZE[0]}_${NAME}_${hrnet ? EXTRA.STAGE2.NUM_CHANNELS[0] : EXTRA.NUM_LAYERS}${widths}`;
}

/** What a table or a log calls it. */
export function networkName({ MODEL }: Model): string {
  const { EXTRA } = MODEL;
  return backboneOf(MODEL) === "hrnet" ? `HRNet-W${EXTRA.STAGE2.NUM_CHANNELS[0]}` : `PoseResNet-${EXTRA.NUM_LAYERS}`;
}
