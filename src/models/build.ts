/** The network that a configuration describes. */
import { backboneOf, modelSize } from "../config/network.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import type { Gpu } from "../gpu/device.ts";
import { networkPrefix } from "../interop/state_names.ts";
import { StackedHourglass } from "./hourglass.ts";
import { type HrnetStage, PoseHrnet } from "./hrnet.ts";
import { ParameterStore } from "../nn/store.ts";
import type { ModelNetwork, PoseModel, PoseNetwork } from "./network.ts";
import { PoseResnet } from "./pose_resnet.ts";

type Model = Pick<ResolvedConfig, "MODEL" | "SSPCM">;

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
    return { prefix, network: buildNetwork(i === 2 ? thirdModel(config) : config, { store, prefix }) };
  };
  return { store, networks: [build(0), ...Array.from({ length: count - 1 }, (_, i) => build(i + 1))] };
}

/** SSPCM's third network may have another backbone. */
function thirdModel({ MODEL, SSPCM }: Model): Model {
  const { BACKBONE, NUM_LAYERS } = SSPCM.OTHER_MODEL;
  return BACKBONE === "" ? { MODEL, SSPCM } : { SSPCM, MODEL: { ...MODEL, BACKBONE, EXTRA: { ...MODEL.EXTRA, NUM_LAYERS } } };
}

/** SSPCM's pair of the epoch before, without gradients: the same places in a store of its own. Undefined for other methods. */
export function buildPrevious(config: Model, gpu: Gpu): PoseModel | undefined {
  if (config.MODEL.NAME !== "pose_sspcm") return undefined;
  const pair = buildModel({ ...config, MODEL: { ...config.MODEL, NAME: "pose_dual" } });
  pair.store.materialise(gpu, 0, { slots: 1, gradients: false, values: false });
  return pair;
}

/** Builds one network without memory; call store.materialise() next. */
function buildNetwork({ MODEL }: Model, place: NetworkPlace = {}): PoseNetwork {
  const { EXTRA } = MODEL;
  const shared = { ...place, joints: MODEL.NUM_JOINTS, finalKernel: EXTRA.FINAL_CONV_KERNEL, refine: MODEL.PRM, start: MODEL.INIT_WEIGHTS ? "pose" : "framework" } as const;
  const backbone = backboneOf(MODEL);
  if (backbone === "hourglass") {
    const { NSTACKS: stacks, NCHANNELS: channels, NMODULES: modules, NREDUCTIONS: reductions } = MODEL.NET;
    return new StackedHourglass({ ...place, joints: MODEL.NUM_JOINTS, stacks, channels, modules, reductions });
  }
  if (backbone === "hrnet") {
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
    style: MODEL.STYLE,
    pretrained: MODEL.PRETRAINED !== "",
    width: EXTRA.WIDTH,
    deconvFilters: EXTRA.NUM_DECONV_FILTERS,
    deconvKernels: EXTRA.NUM_DECONV_KERNELS,
    deconvBias: EXTRA.DECONV_WITH_BIAS,
  });
}

/** How the source systems' tables begin: <H>x<W>_<name>_<layers>_<deconvolution widths>, the last of ResNets alone. */
export function modelTitle({ MODEL }: Model): string {
  const { EXTRA, IMAGE_SIZE, NAME } = MODEL;
  const widths = backboneOf(MODEL) === "resnet" ? `_${EXTRA.NUM_DECONV_FILTERS.map((width) => `d${width}`).join("")}` : "";
  return `${IMAGE_SIZE[1]}x${IMAGE_SIZE[0]}_${NAME}_${modelSize(MODEL)}${widths}`;
}

/** What a table or a log calls it. */
export function networkName({ MODEL }: Model): string {
  return `${{ hrnet: "HRNet-W", hourglass: "Hourglass-", resnet: "PoseResNet-" }[backboneOf(MODEL)]}${modelSize(MODEL)}`;
}
