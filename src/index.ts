/**
 * The public API. Importing it loads no driver, no image codec and no plotting library: those come with the first call
 * that needs them. ARCHITECTURE.md shows a small training program written against it.
 */

// Errors: everything a user can mend is a LimberError with code, message, fix and place.
export { ConfigError, DataError, type ErrorFacts, errorText, GpuError, LimberError, OpError } from "./error.ts";

// The device and its memory.
export { type BufferRange, type Gpu, type MemoryStatistics, type NonfiniteFinding, openDevice, type OpenOptions, type ProfileRow, type Recording } from "./gpu/device.ts";
export type { AdapterChoice } from "./gpu/driver.ts";
export type { AdapterInfo, DeviceMode } from "./gpu/native.ts";

// Tensors: a shape over a range of device memory.
export {
  batchView,
  type DType,
  emptyTensor,
  Parameter,
  persistentTensor,
  /** Dimensions, outermost first; images are [n, h, w, c]. */
  type Shape,
  stopGradient,
  Tensor,
} from "./tensor/tensor.ts";

// Differentiation.
export { type BackwardGraph, captureGraphs, graphDot, graphText } from "./autograd/graph.ts";
export { withoutGradient, withRecompute } from "./autograd/op.ts";
export { backward, type BackwardOptions } from "./autograd/tape.ts";

// Layers of a network as functions.
export { acLoss, type AcLossOptions, acLossTopDown } from "./ops/ac_loss.ts";
export { affineGrid, type AffineGridOptions } from "./ops/affine_grid.ts";
export { associativeEmbedding } from "./ops/associative_embedding.ts";
export { avgPool } from "./ops/avgpool.ts";
export { batchnorm, type BatchnormMode, type BatchnormOptions } from "./ops/batchnorm.ts";
export { cast } from "./ops/cast.ts";
export { conv1d, type Conv1dOptions } from "./ops/conv1d.ts";
export { conv2d, type Conv2dOptions } from "./ops/conv2d.ts";
export { deconv2d, type Deconv2dOptions } from "./ops/deconv2d.ts";
export { dropout, type DropoutOptions } from "./ops/dropout.ts";
export { globalAveragePool, globalMaxPool } from "./ops/global_pool.ts";
export { gridSample, type GridSampleOptions } from "./ops/grid_sample.ts";
export { groupNorm, type GroupNormOptions, layerNorm, type LayerNormOptions } from "./ops/group_norm.ts";
export { heatmapMse } from "./ops/heatmap_mse.ts";
export { linear, type LinearOptions } from "./ops/linear.ts";
export { matmul, type MatmulOptions } from "./ops/matmul.ts";
export {
  maxPool,
  /** Window, step and border of a pooling. */
  type PoolOptions,
} from "./ops/maxpool.ts";
export { bceWithLogits, l1, type LossOptions, lsgan, mse, type Reduction, smoothL1 } from "./ops/pointwise_loss.ts";
export { type BilinearOptions, upsampleBilinear, upsampleNearest } from "./ops/upsample.ts";

// Elementwise functions with broadcasting.
export {
  abs,
  add,
  clamp,
  cos,
  div,
  equal,
  exp,
  greater,
  greaterEqual,
  leakyRelu,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  notEqual,
  type Operand,
  pow,
  relu,
  rsqrt,
  safeSqrt,
  sigmoid,
  sign,
  sin,
  softplus,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from "./ops/elementwise.ts";

// Reductions and shapes.
export { logSumExp } from "./ops/log_sum_exp.ts";
export { argmax, max, mean, min, norm, type ReduceOptions, sum, variance } from "./ops/reduce.ts";
export { reverseGradient } from "./ops/reverse_gradient.ts";
export { gather, indexSelect, scatterAdd } from "./ops/gather.ts";
export { reshape } from "./ops/reshape.ts";
export { logSoftmax, softmax } from "./ops/softmax.ts";
export { concat, expand, flip, pad, permute, slice, type SliceRange, split, stack, transpose } from "./ops/shape.ts";

// Image and heatmap kernels of a training step; no gradient flows through them.
export { cropNormalize, warpAffine } from "./kernels/augment.ts";
export { argmaxPeaks, renderHeatmaps } from "./kernels/heatmap.ts";

// Networks: layers over a store of parameters.
export {
  /** All values the same. */
  constant,
  type Initialiser,
  /** Normal around 0 with the given standard deviation. */
  normal,
  uniformFanIn,
} from "./nn/init.ts";
export {
  Batchnorm,
  Conv2d,
  /** Channels, kernel, stride, padding and initial values of a layer. */
  type ConvFacts,
  Deconv2d,
  EVALUATION,
  GroupNorm,
  LayerNorm,
  type Pass,
} from "./nn/layers.ts";
export { readStateDict, writeStateDict } from "./nn/state_dict.ts";
export { ParameterStore } from "./nn/store.ts";
export { forwardCost, type ForwardCost } from "./models/cost.ts";
export { HigherHrnet, type HigherHrnetDeconv, type HigherHrnetFacts } from "./models/higher_hrnet.ts";
export { type HourglassFacts, StackedHourglass } from "./models/hourglass.ts";
export { hrnetStages, type HrnetFacts, type HrnetStage, PoseHrnet, type PoseHrnetFacts } from "./models/hrnet.ts";
export type { PoseNetwork } from "./models/network.ts";
export { PartGenerator, type PartGeneratorFacts, partTransforms } from "./models/part_generator.ts";
export { PoseResnet, type PoseResnetFacts } from "./models/pose_resnet.ts";
export { Rsgnet, type RsgnetFacts, type RsgnetOutputs } from "./models/rsgnet.ts";
export {
  RESNET_DEPTHS,
  /** A depth that the backbone comes in. */
  type ResnetDepth,
} from "./models/resnet.ts";

// Training: optimiser, methods, steps that are recorded and replayed, whole runs.
export { Adam, type AdamOptions } from "./optim/adam.ts";
export { clipValues, NormClip } from "./optim/clip.ts";
export { LossScaler, type LossScalerOptions, type LossScaleState } from "./optim/loss_scaler.ts";
export type { Optimiser, OptimiserArenas, ParameterGroup } from "./optim/optimiser.ts";
export { Rmsprop, type RmspropOptions } from "./optim/rmsprop.ts";
export { cosineSchedule, linearSchedule, multiStepSchedule, productSchedule, type Schedule, sequenceSchedule } from "./optim/schedule.ts";
export { Sgd, type SgdOptions } from "./optim/sgd.ts";
export { equalShares, risingDecay, WeightAverage } from "./optim/weight_average.ts";
export type { Inspection, StepPlace, TrainingBatch, TrainingMethod } from "./methods/method.ts";
export { buildMethod, viewPlan } from "./methods/build.ts";
export { ConsistencyTraining } from "./methods/semi/consistency.ts";
export type { ConsistencyFacts, SemiFacts } from "./methods/semi/facts.ts";
export { type AugmentCode, ViewPlan } from "./methods/semi/plan.ts";
export { LossLog } from "./train/loss_log.ts";
export { StepRunner, type StepRunnerOptions } from "./train/step_runner.ts";
export { runTraining } from "./train/run.ts";
export { runValidation } from "./train/valid.ts";
export { runPrediction } from "./train/predict.ts";
export type { PredictRequest, TrainOutcome, TrainRequest, ValidRequest } from "./train/requests.ts";
export { type Checkpoint, type CheckpointState, loadCheckpoint, loadCheckpointFile, saveCheckpoint } from "./train/checkpoint.ts";
export { loadModel } from "./train/state.ts";

// Configuration.
export { type LoadedConfig, loadConfig, parseConfig } from "./config/load.ts";
export type { ResolvedConfig } from "./config/resolved.ts";
export { runFolder } from "./config/run_folder.ts";

// Data.
export { type AugmentCall, Augmenter, type AugmentOptions, type AugmentStep, chainName } from "./augment/chain.ts";
export type { Magnitude } from "./augment/colour_policy.ts";
export { CropBatch, type CropBatchFacts, packCrops, type PackedCrops, recycleCrops } from "./augment/crop_batch.ts";
export { type CocoPlace, cocoPlace, personRecords, type PersonRecord, readCocoGroundTruth, type RecordFacts } from "./data/coco.ts";
export type {
  /** A person of an annotation file. */
  CocoAnnotation,
  /** Images and persons of an annotation file. */
  CocoGroundTruth,
  /** An image of an annotation file. */
  CocoImage,
} from "./data/coco_types.ts";
export { type Dataset, DATASET_NAMES, type DatasetFacts, type DatasetName, readDataset } from "./data/datasets.ts";
export { type DecodedImage, decodeImage } from "./data/image.ts";
export { BatchLoader } from "./data/loader.ts";
export { type NpyArray, readNpy, readNpz, writeNpy, writeNpz } from "./data/npy.ts";
export { readNpyDictionary } from "./data/npy_dictionary.ts";
export { type MatValue, readMat, writeMat } from "./data/mat.ts";
export { type CropSample, drawGeometry, type Geometry, type GeometrySpread, IDENTITY_GEOMETRY, prepareSample } from "./data/sample.ts";
export { ensureSynthetic, type SyntheticFacts } from "./data/synthetic.ts";
export { openSafetensors, type StoredTensor, writeSafetensors } from "./interop/safetensors.ts";
export { openTorch, stateDict, type TorchFile } from "./interop/torch.ts";
export type { TorchTensor } from "./interop/torch_graph.ts";
export { type TorchValue, writeTorch } from "./interop/torch_writer.ts";

// Poses and their evaluation; plain arrays.
export { evaluateKeypoints, type EvaluationOptions, type KeypointDetection, type KeypointScores, scoreRows } from "./eval/coco_eval.ts";
export { type DatasetScoreOptions, type DatasetScores, scoreDataset } from "./eval/dataset_score.ts";
export { breakDownErrors, ERROR_KINDS, type ErrorBreakdown, type ErrorKind } from "./eval/error_kinds.ts";
export { averageMaps, voteJoints } from "./eval/voting.ts";
export { type WorstCase, worstCases } from "./eval/worst_cases.ts";
export { decodeDark, decodeIntegral, type DecodedJoints, decodeOffsets, type MapSizes } from "./pose/dark.ts";
export { decodeHeatmaps, encodeHeatmaps, heatmapToImage } from "./pose/heatmap.ts";
export { AIC14, COCO_JOINTS, CROWDPOSE14, gatherJoints, jointMap, type JointSet, LSP14, MPII16, skeletonFor } from "./pose/joint_sets.ts";
export { COCO17, type Skeleton, UNION24 } from "./pose/skeleton.ts";
export type {
  /** 2x3 affine map, row-major. */
  Affine,
  /** x, y, width, height in px. */
  Box,
  /** x, y in px. */
  Point,
  /** Width, height in px. */
  Size,
} from "./pose/types.ts";

// Figures.
export { type CurveFigure, drawCurves } from "./viz/curves.ts";
export { drawOverlay, type DrawnPerson } from "./viz/overlay.ts";

// Random numbers that depend on seed and position alone.
export { keyWords, Random, type RandomKey, STREAM } from "./random.ts";

// For kernels and ops of your own.
export { type BackwardContext, defineOp, type OpDefinition } from "./autograd/op.ts";
export { defineKernel, type Kernel, linearGrid } from "./gpu/kernel.ts";
