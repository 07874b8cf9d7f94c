/**
 * Experiment files as MultiAugs' and Semi_Human_Pose's hold them, written from the table of multiaugs §7.8: all sections,
 * dead keys included. Each is named with the configuration of configs/multiaugs that stands for it.
 */

/** A row of the table. */
export interface OriginalFile {
  /** Path below experiments/, without .yaml. */
  readonly name: string;
  /** Name below configs/multiaugs, without .yaml. */
  readonly ours: string;
  readonly text: string;
}

interface Row {
  name: string;
  ours: string;
  model: "pose_cons" | "pose_dual";
  /** ResNet's depth, or HRNet's width behind a w. */
  network: 18 | 50 | 101 | 152 | "w32" | "w48";
  /** Labelled persons of COCO; "wild": all with unlabeled2017; "mpii": MPII with AI Challenger. */
  data: number | "wild" | "mpii";
  schedule?: readonly [epochs: number, first: number, second: number];
  batch?: number;
  /** Lists the USE_ keys, all false. */
  as?: boolean;
  top?: string;
  dataset?: string;
  test?: string;
  gpus?: string;
}

const USE_KEYS = `USE_YOCORA_AUG: False
USE_YOCOTA_AUG: False
USE_TrivialAug_AUG: False
USE_Cutout_AUG: False
USE_MixUp_AUG: False
USE_CutMix_AUG: False
USE_RandAug_AUG: False
USE_JointCutout_AUG: False
USE_JointCutMix_AUG: False
USE_JointCutMix_CutOut_AUG: False
USE_JointCutout_CutMix_AUG: False
MASK_JOINT_NUM: 5
KP_CutMix_JOINT_NUM: 2
MASK_HOLES_NUM_CO: 5
MASK_HOLES_NUM_CM: 2
`;

function hrnetExtra(width: number, size: string): string {
  const stage = (branches: number, modules: number) => `    STAGE${branches}:
      NUM_MODULES: ${modules}
      NUM_BRANCHES: ${branches}
      NUM_BLOCKS: [${Array.from({ length: branches }, () => 4).join(", ")}]
      NUM_CHANNELS:
${Array.from({ length: branches }, (_, i) => `      - ${width * 2 ** i}`).join("\n")}
      BLOCK: BASIC
      FUSE_METHOD: SUM
`;
  return `    TARGET_TYPE: gaussian
    HEATMAP_SIZE: ${size}
    SIGMA: 3
    PRETRAINED_LAYERS:
${["conv1", "bn1", "conv2", "bn2", "layer1", "transition1", "stage2", "transition2", "stage3", "transition3", "stage4"].map((layer) => `    - '${layer}'`).join("\n")}
    STEM_INPLANES: 64
    FINAL_CONV_KERNEL: 1
${stage(2, 1)}${stage(3, 4)}${stage(4, 3)}`;
}

function textOf(row: Row): string {
  const hrnet = typeof row.network === "string";
  const wild = row.data === "wild";
  const mpii = row.data === "mpii";
  const [width, height] = mpii ? [256, 256] : row.network === "w48" ? [288, 384] : [192, 256];
  // A square size may be one number.
  const size = (w: number, h: number) => (w === h ? String(w) : `\n    - ${w}\n    - ${h}`);
  const heatmap = `(${width / 4}, ${height / 4})`;
  const [epochs, first, second] = row.schedule ?? (wild && !hrnet ? [400, 300, 350] : [300, 220, 260]);
  const extra = hrnet
    ? hrnetExtra(Number(String(row.network).slice(1)), heatmap)
    : `    TARGET_TYPE: gaussian
    HEATMAP_SIZE: ${heatmap}
    SIGMA: 2
    FINAL_CONV_KERNEL: 1
    DECONV_WITH_BIAS: False
    NUM_DECONV_LAYERS: 3
    NUM_DECONV_FILTERS:
    - 256
    - 256
    - 256
    NUM_DECONV_KERNELS: [4, 4, 4]
    NUM_LAYERS: ${row.network}
`;
  return `GPUS: '${row.gpus ?? "0,1,2,3"}'
DATA_DIR: ''
OUTPUT_DIR: 'output'
LOG_DIR: 'log'
WORKERS: ${row.network === 18 ? 12 : 8}
PRINT_FREQ: 100
UNSUP_TRANSFORM: True
${row.top ?? ""}${row.as ? USE_KEYS : ""}
CUDNN:
  BENCHMARK: True
  DETERMINISTIC: False
  ENABLED: True
DATASET:
  TRAIN_DATASET: ${mpii ? "mix_mpii_ai" : "mix_coco_coco"}
  TEST_DATASET: ${mpii ? "mpii" : "coco"}
  ROOT: 'data/'
  TRAIN_SET: train
${row.dataset?.includes("TEST_SET") ? "" : `  TEST_SET: ${mpii ? "valid" : "validation"}\n`}${wild ? "  TRAIN_UNSUP_SET: unlabeled2017\n" : ""}${typeof row.data === "number" ? `  TRAIN_LEN: ${row.data}\n` : ""}${row.dataset ?? "  DATA_FORMAT: jpg\n"}  FLIP: True
  ROT_FACTOR: 30
  SCALE_FACTOR: 0.25
MODEL:
  NAME: ${row.model}
  BACKBONE: ${hrnet ? "hrnet" : "resnet"}
  PRETRAINED: 'models/weights.pth'
  INIT_WEIGHTS: True
  IMAGE_SIZE: ${size(width as number, height as number)}
  NUM_JOINTS: 24
  EXTRA:
${extra}LOSS:
  USE_TARGET_WEIGHT: True
TRAIN:
  BATCH_SIZE: ${row.batch ?? 32}
  SHUFFLE: True
  BEGIN_EPOCH: 0
  END_EPOCH: ${epochs}
  RESUME: ${typeof row.data === "number" ? "False" : "True"}
  OPTIMIZER: adam
  LR: 0.001
  LR_FACTOR: 0.1
  LR_STEP:
  - ${first}
  - ${second}
  WD: 0.0001
  GAMMA1: 0.99
  GAMMA2: 0.0
  MOMENTUM: 0.9
  NESTEROV: False
TEST:
  BATCH_SIZE: 32
${row.test ?? `  COCO_BBOX_FILE: '${wild ? "data/coco/person_detection_results/unlabeled2017.json" : "data/coco/person_detection_results/val2017.json"}'\n  USE_GT_BBOX: True\n  FLIP_TEST: False\n`}  BBOX_THRE: 1.0
  IMAGE_THRE: 0.0
  IN_VIS_THRE: 0.2
  MODEL_FILE: ''
  NMS_THRE: 1.0
  OKS_THRE: 0.9
DEBUG:
  DEBUG: False
  SAVE_BATCH_IMAGES_GT: True
  SAVE_BATCH_IMAGES_PRED: True
  SAVE_HEATMAPS_GT: True
  SAVE_HEATMAPS_PRED: True
`;
}

const JC = { top: "MASK_JOINT_NUM: 5\n" };
const NO_RESULTS = "  USE_GT_BBOX: True\n  SAVE_RESULT: False\n";
const ZIP = { dataset: "  DATA_FORMAT: zip\n", gpus: "1" };

function coco(persons: number, [model, epochs, first, second]: readonly [Row["model"], number, number, number], rest: Pick<Row, "name" | "ours"> & Partial<Row>): Row {
  return { model, network: 18, data: persons, schedule: [epochs, first, second], ...rest, name: `mix_coco_coco/res18/256x192_${rest.name}` };
}

function wild(network: Row["network"], model: Row["model"], rest: Pick<Row, "name" | "ours"> & Partial<Row>): Row {
  const hrnet = typeof network === "string";
  return { network, model, data: "wild", batch: hrnet ? 8 : 32, ...rest, name: `mix_coco_coco/${hrnet ? "hrnet/w48_384x288" : `res${network}/256x192`}_COCO_COCOunlabel_${rest.name}` };
}

const ROWS: readonly Row[] = [
  coco(1000, ["pose_cons", 30, 20, 25], { name: "COCO1K_PoseCons", ours: "coco1k_r18_cons" }),
  coco(1000, ["pose_cons", 30, 20, 25], { name: "COCO1K_PoseCons_AS", ours: "coco1k_r18_cons", as: true }),
  coco(1000, ["pose_dual", 30, 20, 25], { name: "COCO1K_PoseDual", ours: "coco1k_r18_dual" }),
  coco(1000, ["pose_dual", 30, 20, 25], { name: "COCO1K_PoseDual_AS", ours: "coco1k_r18_dual", as: true }),
  coco(1000, ["pose_dual", 70, 50, 60], { name: "COCO1K_PoseDual_JointCutout", ours: "coco1k_r18_dual_jc", ...JC }),
  coco(1000, ["pose_dual", 70, 50, 60], { name: "COCO1K_PoseDual_RandAug", ours: "coco1k_r18_dual_ra", top: "CONS_RAND_AUG: True\nRAND_MAGNITUDE: 20\n" }),
  coco(5000, ["pose_dual", 100, 70, 90], { name: "COCO5K_PoseDual", ours: "coco5k_r18_dual", test: NO_RESULTS }),
  coco(5000, ["pose_dual", 100, 70, 90], { name: "COCO5K_PoseDual_JointCutout", ours: "coco5k_r18_dual_jc", test: NO_RESULTS, ...JC }),
  coco(10000, ["pose_dual", 100, 70, 90], { name: "COCO10K_PoseDual", ours: "coco10k_r18_dual", test: NO_RESULTS }),
  coco(10000, ["pose_dual", 100, 70, 90], { name: "COCO10K_PoseDual_JointCutout", ours: "coco10k_r18_dual_jc", test: NO_RESULTS, ...JC }),
  ...([50, 101] as const).flatMap((depth) => [
    wild(depth, "pose_dual", { name: "AS", ours: `cocowild_r${depth}_dual`, as: true }),
    wild(depth, "pose_cons", { name: "AS_PoseCons", ours: `cocowild_r${depth}_cons`, as: true }),
    wild(depth, "pose_dual", { name: "PoseDual_JointCut", ours: `cocowild_r${depth}_dual_jc`, ...JC }),
  ]),
  wild(152, "pose_dual", { name: "AS", ours: "cocowild_r152_dual", as: true, ...ZIP }),
  wild(152, "pose_dual", { name: "PoseDual_JointCut", ours: "cocowild_r152_dual_jc", ...JC, ...ZIP }),
  wild("w48", "pose_dual", { name: "AS", ours: "cocowild_w48_dual", as: true }),
  wild("w48", "pose_cons", { name: "AS_PoseCons", ours: "cocowild_w48_cons", as: true }),
  wild("w48", "pose_dual", {
    name: "AS_test",
    ours: "cocowild_w48_dual_test",
    as: true,
    dataset: "  TEST_SET: test-dev2017\n",
    test: "  COCO_BBOX_FILE: 'data/coco/person_detection_results/test-dev2017.json'\n  USE_GT_BBOX: False\n  FLIP_TEST: True\n",
  }),
  wild("w48", "pose_dual", { name: "PoseDual_JointCut5", ours: "cocowild_w48_dual_jc", ...JC }),
  { name: "mix_mpii_ai/hrnet/w32_256x256_PoseDual_AS", ours: "mpii_aic_w32_dual", model: "pose_dual", network: "w32", data: "mpii", as: true },
  { name: "mix_mpii_ai/hrnet/w32_256x256_PoseDual_JointCut5", ours: "mpii_aic_w32_dual_jc", model: "pose_dual", network: "w32", data: "mpii", ...JC },
  { name: "mix_mpii_ai/hrnet/w32_256x256_PoseDual_JointCut5_test", ours: "mpii_aic_w32_dual_jc_test", model: "pose_dual", network: "w32", data: "mpii", dataset: "  TEST_SET: test\n", test: "  USE_GT_BBOX: True\n  FLIP_TEST: True\n", ...JC },
  { name: "mix_mpii_ai/res18/256x256_PoseDual_JointCut5", ours: "mpii_aic_r18_dual_jc", model: "pose_dual", network: 18, data: "mpii", schedule: [100, 50, 70], ...JC },
];

/** All experiment files of the table. */
export function originalFiles(): OriginalFile[] {
  return ROWS.map((row) => ({ name: row.name, ours: row.ours, text: textOf(row) }));
}
