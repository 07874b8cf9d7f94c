/**
 * Every configuration key of this release: its type, default and meaning. The names and meanings are those of
 * MultiAugs; a key that nothing reads does not belong here but into INERT_KEYS.
 */
import * as v from "valibot";
import { aboveZero, absentable, key, MOST_EPOCHS, MOST_STEPS, multiple, partialShare, real, section, seed, share, size, whole } from "./key.ts";
import { methodKeys } from "./method_keys.ts";

const channels = whole(1, 4096);
const batchSize = whole(1, 4096);
const images = whole(1, 1_000_000);
/** Detectors have scores of every scale. */
const score = real(-1e6, 1e6);

/** One stage of HRNet; the number is how many branches it has. */
function stage(branches: number) {
  return section({
    NUM_MODULES: key(whole(1, 64), 1, "how often the stage's branches exchange their features; 1, 4, 3 in the published network"),
    NUM_BRANCHES: key(v.literal(branches), branches, "branches of the stage"),
    BLOCK: key(v.picklist(["BASIC", "BOTTLENECK"]), "BASIC", "residual block of the branches"),
    NUM_BLOCKS: key(v.pipe(v.array(whole(1, 256)), v.length(branches)), Array.from({ length: branches }, () => 4), "blocks of every branch"),
    NUM_CHANNELS: key(
      v.pipe(v.array(channels), v.length(branches)),
      Array.from({ length: branches }, (_, i) => 32 * 2 ** i),
      "channels of every branch, before a bottleneck's factor of 4",
    ),
    FUSE_METHOD: key(v.literal("SUM"), "SUM", "branches are added"),
  });
}

const extra = section({
  STAGE2: stage(2),
  STAGE3: stage(3),
  STAGE4: stage(4),
  NUM_LAYERS: key(v.picklist([8, 10, 18, 34, 50, 101, 152]), 50, "depth of the ResNet; 8 and 10 are for small runs, 8 has stride 16"),
  WIDTH: key(multiple(4, 1024), 64, "channels of the stem; 64 is the published network"),
  DECONV_WITH_BIAS: key(v.boolean(), false, "bias in the transposed convolutions"),
  NUM_DECONV_LAYERS: key(whole(1, 5), 3, "transposed convolutions of stride 2 behind the ResNet"),
  NUM_DECONV_FILTERS: absentable(v.array(channels), "their output channels, one number each; 256 each where absent"),
  NUM_DECONV_KERNELS: absentable(
    v.array(v.picklist([2, 3, 4])),
    "their kernel sizes, one number each; 4 each where absent",
  ),
  PRETRAINED_LAYERS: key(v.array(v.string()), ["*"], "parts of HRNet that MODEL.PRETRAINED gives the weights of, by the first word of their names, for example stage2; *: all"),
  TARGET_TYPE: key(v.literal("gaussian"), "gaussian", "targets are Gaussians"),
  FINAL_CONV_KERNEL: key(v.picklist([1, 3]), 1, "kernel size of the convolution that makes the heatmaps"),
  HEATMAP_SIZE: absentable(
    size(1),
    "heatmap width and height in px; follows from IMAGE_SIZE and NUM_DECONV_LAYERS where absent",
  ),
  SIGMA: key(aboveZero(64), 2, "standard deviation of the target Gaussians in heatmap px"),
  RECOMPUTE: key(
    v.boolean(),
    false,
    "compute normalised and pooled features again in backward instead of keeping them: less memory, same numbers",
  ),
});

const model = section({
  NAME: key(
    v.picklist(["pose_resnet", "pose_hrnet", "pose_hourglass", "pose_cons", "pose_dual", "pose_sspcm"]),
    "pose_resnet",
    "pose_resnet, pose_hrnet, pose_hourglass: supervised; pose_cons: one network taught by its own easy views of unlabelled images; pose_dual: two that teach each other; pose_sspcm: these and a third, taught by corrected pseudo labels",
  ),
  BACKBONE: key(v.picklist(["resnet", "hrnet"]), "resnet", "networks of pose_cons, pose_dual and pose_sspcm: a ResNet with deconvolutions, or HRNet with EXTRA.STAGE2 to 4"),
  STYLE: key(v.picklist(["pytorch", "caffe"]), "pytorch", "where a ResNet's bottleneck has its stride: pytorch in the 3x3 convolution, caffe in the first 1x1 (which the source systems name but cannot build)"),
  PRM: key(v.boolean(), false, "pose_resnet, pose_hrnet: a refine module before the output convolution"),
  GROUPS: key(v.literal(1), 1, "grouped residual blocks are not available"),
  WIDTH_PER_GROUP: key(v.literal(64), 64, "grouped residual blocks are not available"),
  NUM_JOINTS: key(v.picklist([14, 16, 17, 24]), 24, "24: the union skeleton; 17: COCO's joints, 16: MPII's, 14: those of the data set (AI Challenger, CrowdPose, LSP)"),
  IMAGE_SIZE: key(size(16), [256, 256], "width and height of the network's input in px, multiples of 32 (16 for NUM_LAYERS 8)"),
  INIT_WEIGHTS: key(
    v.boolean(),
    true,
    "true: convolutions start from N(0, 0.001) as in the published code; false: from PyTorch's default",
  ),
  PRETRAINED: key(
    v.string(),
    "",
    "weights to start from (.pth, .pth.tar, .safetensors, checkpoint): the backbone must fit, final_layer is left as it starts; empty: none",
  ),
  EXTRA: extra,
  NET: section({
    NSTACKS: key(whole(1, 16), 2, "pose_hourglass: hourglasses behind one another, each with heatmaps of its own that are trained; the last ones count"),
    NCHANNELS: key(multiple(2, 4096), 256, "channels of an hourglass"),
    NMODULES: key(whole(1, 16), 1, "residual units at every place of an hourglass"),
    NREDUCTIONS: key(whole(1, 6), 4, "how often an hourglass halves its input"),
  }),
});

const synthetic = v.optional(
  v.object({
    TRAIN_IMAGES: key(images, 1000, "images in train2017"),
    VAL_IMAGES: key(images, 200, "images in val2017"),
    IMAGE_SIZE: key(size(16), [160, 160], "width and height of an image in px"),
    PERSONS: key(whole(1, 8), 1, "most persons in an image"),
    SEED: key(seed, 0, "seed of the generator"),
  }),
);

const dataset = section({
  ROOT: key(v.string(), "data", "folder that holds coco/, or that is itself a COCO folder"),
  TRAIN_DATASET: key(
    v.picklist(["coco", "mpii", "ai_challenger", "crowdpose", "lspet", "lspetmpii", "mix_coco_coco", "mix_mpii_ai", "mix_lspet_lspet"]),
    "coco",
    "labelled persons of one data set (lspetmpii: MPII and LSP joined); mix_coco_coco, mix_mpii_ai, mix_lspet_lspet: labelled persons of the first paired with unlabelled ones of the second",
  ),
  TEST_DATASET: key(
    v.picklist(["coco", "mpii", "ai_challenger", "crowdpose", "lspet", "lspetmpii"]),
    "coco",
    "data set for validation; it is scored as its benchmark does",
  ),
  TRAIN_SET: key(
    v.pipe(v.string(), v.nonEmpty()),
    "train",
    "image set of the labelled persons; of COCO, train is train2017, val is val2017, else the name itself; of lspet the first and last image, for example 1-1500, or all",
  ),
  TRAIN_UNSUP_SET: key(
    v.string(),
    "",
    "image set of the unlabelled persons; empty: all persons of TRAIN_SET; names with unlabeled have detected boxes",
  ),
  UNSUP_BBOX_FILE: key(v.string(), "", "detections of the unlabelled image set; left out beside TEST.COCO_BBOX_FILE: these"),
  DATA_FORMAT: key(v.picklist(["jpg", "zip"]), "jpg", "zip: images lie in archives, <folder>.zip in place of each image folder"),
  SELECT_DATA: key(v.boolean(), false, "train on persons whose joints lie about the middle of their boxes only"),
  TEST_SET: key(v.pipe(v.string(), v.nonEmpty()), "val", "image set for validation, named as TRAIN_SET"),
  TRAIN_LEN: key(
    whole(-1, 100_000_000),
    -1,
    "keep the labels of the first so many persons only; -1 or 0: of all",
  ),
  TRAIN_ANNOTATIONS: key(v.string(), "", "annotation file to use in place of the one that ROOT and TRAIN_SET name"),
  TRAIN_IMAGES: key(v.string(), "", "image folder that belongs to TRAIN_ANNOTATIONS"),
  TEST_ANNOTATIONS: key(v.string(), "", "annotation file to use in place of the one that ROOT and TEST_SET name"),
  TEST_IMAGES: key(v.string(), "", "image folder that belongs to TEST_ANNOTATIONS"),
  COLOR_RGB: key(v.boolean(), false, "true: the network sees RGB; false: BGR, as the published weights do"),
  FLIP: key(v.boolean(), true, "mirror half of the training samples"),
  SCALE_FACTOR: key(
    partialShare,
    0.25,
    "spread of the random scale; also of the hard view's",
  ),
  ROT_FACTOR: key(
    real(0, 90),
    30,
    "spread of the random rotation in degrees; also of the hard view's",
  ),
  PROB_HALF_BODY: key(share, 0, "chance to crop to the upper or lower body"),
  NUM_JOINTS_HALF_BODY: key(whole(0, 24), 8, "crop to half a body only when more joints than this are labelled"),
  HYBRID_JOINTS_TYPE: key(v.string(), "", "appended to TRAIN_DATASET in the name of the run's folder"),
  SKIP_CORRUPT: key(
    v.boolean(),
    false,
    "true: where an image cannot be decoded, training takes the next person and validation counts the person as not found; false: stop",
  ),
  CACHE_MB: key(whole(0, 2 ** 20), 1024, "memory for decoded images in MiB"),
  SYNTHETIC: synthetic,
});

const loss = section({
  USE_TARGET_WEIGHT: key(v.boolean(), true, "weigh every joint's heatmap by its label's presence"),
});

const train = section({
  LR: key(aboveZero(1000), 0.001, "learning rate at the start"),
  LR_STEP: key(v.array(whole(1, MOST_EPOCHS)), [90, 110], "epochs after which the learning rate is multiplied by LR_FACTOR"),
  LR_FACTOR: key(aboveZero(1000), 0.1, "factor of the learning rate at each LR_STEP"),
  OPTIMIZER: key(v.picklist(["adam", "sgd", "rmsprop"]), "adam", "the optimiser"),
  MOMENTUM: key(partialShare, 0.9, "momentum of sgd; adam and rmsprop do not read it"),
  NESTEROV: key(v.boolean(), false, "Nesterov's momentum for sgd"),
  WD: key(share, 1e-4, "L2 weight decay of sgd and rmsprop; of adam only with OPTIONS.ADAM_WEIGHT_DECAY"),
  BEGIN_EPOCH: key(whole(0, MOST_EPOCHS), 0, "number of the first epoch"),
  END_EPOCH: key(whole(1, MOST_EPOCHS), 140, "number after the last epoch"),
  BATCH_SIZE: key(batchSize, 32, "labelled persons in a step, and as many unlabelled ones"),
  STEPS_PER_EPOCH: key(whole(0, MOST_STEPS), 0, "end an epoch after so many steps; 0: one pass over the data"),
  CHECKPOINT_STEPS: key(whole(0, MOST_STEPS), 0, "also write a checkpoint every so many steps; 0: after epochs only"),
  RESUME: key(v.boolean(), false, "continue from the newest checkpoint of the output folder, if there is one"),
});

const testing = section({
  BATCH_SIZE: key(batchSize, 32, "persons in a validation batch"),
  INTERVAL: key(whole(1, MOST_EPOCHS), 1, "validate after every so many epochs, and after the last"),
  FLIP_TEST: key(v.boolean(), false, "average the heatmaps of the image and of its mirror image"),
  PCK_LENGTH: key(v.picklist(["torso", "box"]), "torso", "lspet: distances are measured by the torso (left shoulder to right hip), or by the longer side of the crop's box in the image"),
  PCK_THRE: key(aboveZero(10), 0.2, "lspet: share of PCK_LENGTH within which a joint is right"),
  POST_PROCESS: key(v.boolean(), true, "shift a peak by a quarter pixel towards its higher neighbour"),
  POST_TYPE: key(
    v.picklist(["shift", "dark"]),
    "shift",
    "how a peak is placed below the pixel: shift as POST_PROCESS says, dark by a second-order expansion of the blurred heatmap",
  ),
  SCALES: key(
    v.pipe(v.array(aboveZero(10)), v.minLength(1)),
    [1],
    "crops of these sizes, as factors of the usual one; of several, every joint is voted on among their predictions (ASDA)",
  ),
  SHIFT_HEATMAP: key(
    v.boolean(),
    true,
    "how FLIP_TEST aligns the mirrored heatmap: true by one column, false by three quarters, interpolated",
  ),
  USE_GT_BBOX: key(v.boolean(), true, "true: crop the annotated boxes; false: those of COCO_BBOX_FILE"),
  COCO_BBOX_FILE: key(v.string(), "", "detections to crop for validation where USE_GT_BBOX is false"),
  IMAGE_THRE: key(score, 0, "leave out detections with lower scores"),
  SOFT_NMS: key(v.boolean(), false, "keep up to 20 persons of an image, near-duplicates last, instead of dropping them"),
  OKS_THRE: key(share, 0.5, "drop a person whose OKS with a better one of the image exceeds this"),
  IN_VIS_THRE: key(score, 0, "keypoints with scores above this count for a person's score"),
  SAVE_RESULT: key(v.boolean(), true, "write the results files of a validation"),
  MODEL_FILE: key(v.string(), "", "weights for valid; empty: the best of the output folder"),
});

/** The whole configuration. Unknown keys are found by problems.ts, which can name the nearest known one. */
export const configSchema = v.object({
  MODEL: model,
  DATASET: dataset,
  LOSS: loss,
  TRAIN: train,
  TEST: testing,
  ...methodKeys,
  OUTPUT_DIR: key(v.pipe(v.string(), v.nonEmpty()), "output", "folder for checkpoints, logs and figures"),
  LOG_DIR: key(v.string(), "", "folder for TensorBoard's files; empty: the run's folder"),
  DATA_DIR: key(v.string(), "", "put before relative paths of the file: DATASET.ROOT, OUTPUT_DIR, MODEL.PRETRAINED, TEST.MODEL_FILE and detection files"),
  PRINT_FREQ: key(whole(1, MOST_STEPS), 20, "steps between two lines of the log"),
  SEED: key(seed, 1314, "seed of all random draws of a run"),
  PRECISION: key(
    v.picklist(["fp32", "mixed"]),
    "fp32",
    "mixed: training stores features and their gradients as f16, on adapters with shader-f16, and multiplies f16 where these have subgroup matrices; weights, statistics, losses and validation are f32",
  ),
  WORKERS: key(whole(1, 256), 4, "batches that are prepared ahead"),
});

/** Keys of MultiAugs and Semi_Human_Pose that have no effect here, and mostly none there; a file may hold them. */
export const INERT_KEYS: readonly string[] = [
  "LOCAL_RANK",
  "GPUS",
  "CUDNN.BENCHMARK",
  "CUDNN.DETERMINISTIC",
  "CUDNN.ENABLED",
  "MODEL.TCH_PRETRAINED",
  "MODEL.SEG_PRETRAINED",
  "MODEL.EXTRA.STEM_INPLANES",
  "DATASET.PSEUDO_ANNO",
  "DATASET.AI_ROOT",
  "DATASET.BOX_THRE",
  "DATASET.SCORE_THRE",
  "TRAIN.GAMMA1",
  "TRAIN.GAMMA2",
  "TRAIN.SHUFFLE",
  "TRAIN.CHECKPOINT",
  "TEST.BBOX_THRE",
  "TEST.NMS_THRE",
];
