/**
 * The planner of the GEMM family: numbers in, algorithm out. Pure, so that its tests need no GPU; `force` lets a test
 * or a bench pick any algorithm.
 */

/** What the planner knows of an adapter. */
export interface AdapterClass {
  /** Software drivers run lanes as CPU vectors: workgroup memory and barriers cost, broadcast is cheap. */
  software: boolean;
  /** Size of a subgroup where it is fixed and subgroups are available. */
  subgroupSize: number | undefined;
  maxInvocations: number;
  maxWorkgroups: number;
  /** Subgroups multiply matrices here, rightly, and this product may round its operands to half floats (matrix_gate.ts). */
  matrix?: boolean;
  /** What `bun run tune` measured on such adapters; absent where it never ran. */
  tuning?: Tuning | undefined;
}

/** A core with tile sizes, and what it reached on products that fill its tiles. */
export interface TunedProduct {
  core: GemmCore;
  spec: Readonly<Record<string, number>>;
  gflops: number;
}

/** Winograd's transforms: ns per tile and channel of input and output, and per pair of channels of the weights. */
export interface TransformCosts {
  inputNs: number;
  outputNs: number;
  weightNs: number;
}

/** The measured table of one class of adapters. */
export interface Tuning {
  products: readonly TunedProduct[];
  /** Of F(3x3, 2x2) and F(2x2, 3x3), by taps. */
  winograd: Readonly<Record<2 | 3, TransformCosts>>;
}

/** A table with where it comes from. */
export interface TunedAdapter {
  adapter: string;
  date: string;
  tuning: Tuning;
}

/** C[rows, columns] = A[rows, depth] B[depth, columns], `batch` times (phases). */
export interface GemmProblem {
  rows: number;
  columns: number;
  depth: number;
  batch: number;
  /** Rows of A, not its depth, are neighbours in memory. */
  alongRows?: boolean;
}

/** "emulated" is the matrix core in plain WGSL, for tests; no plan chooses it. */
export type GemmCore = "lanes" | "lanes4" | "tile" | "matrix" | "emulated";

export interface GemmPlan {
  core: GemmCore;
  spec: Record<string, number | boolean>;
  tileRows: number;
  tileColumns: number;
  /** What the product takes, padding included, by the table's rate; of meaning only beside another of the same table. */
  ms: number;
}

/** Overrides for tests, benches and the tuner. */
export interface GemmForce {
  core?: GemmCore;
  spec?: Record<string, number>;
  splits?: number;
  /** Whether a convolution goes by Winograd's transforms; where absent the planner says, if it is free to choose the core too. */
  winograd?: boolean;
}

/** The cores, as fragments. */
export const CORE_FRAGMENTS: Readonly<Record<GemmCore, readonly string[]>> = {
  lanes: ["gemm/core_lanes.wgsl"],
  lanes4: ["gemm/core_lanes4.wgsl"],
  tile: ["gemm/core_tile.wgsl"],
  matrix: ["gemm/core_matrix.wgsl", "gemm/matrix_subgroup.wgsl"],
  emulated: ["gemm/core_matrix.wgsl", "gemm/matrix_emulated.wgsl"],
};

/** Lanes of a subgroup that is only emulated. */
const EMULATED_LANES = 32;

/** What stands in for a table where none was measured: only the ratios within a core count. Those of "matrix" are expected of an H200. */
const UNTUNED: readonly TunedProduct[] = [
  { core: "lanes", spec: { ROWS: 16, COLUMNS: 8 }, gflops: 30 },
  { core: "lanes", spec: { ROWS: 16, COLUMNS: 4 }, gflops: 26 },
  { core: "lanes", spec: { ROWS: 16, COLUMNS: 2 }, gflops: 23 },
  { core: "lanes", spec: { ROWS: 16, COLUMNS: 1 }, gflops: 18 },
  { core: "lanes4", spec: {}, gflops: 5 },
  { core: "tile", spec: { TILE_ROWS: 64, TILE_COLUMNS: 64, TILE_DEPTH: 16, THREAD_ROWS: 4, THREAD_COLUMNS: 4 }, gflops: 10 },
  { core: "tile", spec: { TILE_ROWS: 64, TILE_COLUMNS: 32, TILE_DEPTH: 16, THREAD_ROWS: 4, THREAD_COLUMNS: 4 }, gflops: 8 },
  { core: "matrix", spec: { TILE_ROWS: 128, TILE_COLUMNS: 128, TILE_DEPTH: 32, REGION_ROWS: 64, REGION_COLUMNS: 32 }, gflops: 130_000 },
  { core: "matrix", spec: { TILE_ROWS: 128, TILE_COLUMNS: 64, TILE_DEPTH: 32, REGION_ROWS: 32, REGION_COLUMNS: 32 }, gflops: 100_000 },
  { core: "matrix", spec: { TILE_ROWS: 64, TILE_COLUMNS: 64, TILE_DEPTH: 32, REGION_ROWS: 32, REGION_COLUMNS: 32 }, gflops: 70_000 },
  { core: "emulated", spec: { TILE_ROWS: 32, TILE_COLUMNS: 32, TILE_DEPTH: 16, REGION_ROWS: 16, REGION_COLUMNS: 16 }, gflops: 1 },
];

/** Invocations of a workgroup. */
function invocations({ core, spec }: TunedProduct, lanes: number): number {
  const { TILE_ROWS = 1, TILE_COLUMNS = 1, THREAD_ROWS = 1, THREAD_COLUMNS = 1, REGION_ROWS = 1, REGION_COLUMNS = 1 } = spec;
  if (core === "tile") return (TILE_ROWS / THREAD_ROWS) * (TILE_COLUMNS / THREAD_COLUMNS);
  return core === "matrix" ? (TILE_ROWS / REGION_ROWS) * (TILE_COLUMNS / REGION_COLUMNS) * lanes : 1;
}

function planOf(problem: GemmProblem, { core, spec, gflops }: TunedProduct, lanes: number): GemmPlan {
  const full = core === "lanes" || core === "matrix" ? { LANES: lanes, ...spec } : core === "emulated" ? { LANES: EMULATED_LANES, ...spec } : spec;
  const views = core === "matrix" || core === "emulated" ? { A_ALONG_ROWS: problem.alongRows ?? false } : {};
  const { ROWS = 16, COLUMNS = 1, TILE_ROWS = 16, TILE_COLUMNS = 16 } = full;
  const [tileRows, tileColumns] = core === "lanes" ? [ROWS, lanes * COLUMNS] : [TILE_ROWS, TILE_COLUMNS];
  const padded = Math.ceil(problem.rows / tileRows) * tileRows * Math.ceil(problem.columns / tileColumns) * tileColumns;
  return { core, spec: { ...full, ...views }, tileRows, tileColumns, ms: (2 * padded * problem.depth * problem.batch) / gflops / 1e6 };
}

/** Tile sizes of a core that the planner may choose among on an adapter: those measured there, else the built-in ones. */
export function tilesOfCore(core: GemmCore, { tuning, maxInvocations, subgroupSize }: AdapterClass): readonly TunedProduct[] {
  const possible = (product: TunedProduct) => product.core === core && invocations(product, subgroupSize ?? 1) <= maxInvocations;
  const tuned = (tuning?.products ?? []).filter(possible);
  return tuned.length > 0 ? tuned : UNTUNED.filter(possible);
}

/** Chooses core and tile sizes: of what was measured, the fastest on this product with its padding. */
export function planGemm(problem: GemmProblem, adapter: AdapterClass, force?: GemmForce): GemmPlan {
  const { subgroupSize, software, matrix } = adapter;
  const core = force?.core ?? (matrix ? "matrix" : software && subgroupSize !== undefined && subgroupSize >= 4 ? (subgroupSize === 4 ? "lanes4" : "lanes") : "tile");
  if (core === "lanes4" && subgroupSize !== 4) throw new Error("the lanes4 core needs subgroups of 4");
  if ((core === "lanes" || core === "matrix") && subgroupSize === undefined) throw new Error(`the ${core} core needs subgroups of a fixed size`);
  const plans = tilesOfCore(core, adapter).map((product) => planOf(problem, { ...product, spec: { ...product.spec, ...force?.spec } }, subgroupSize ?? 1));
  return plans.reduce((best, plan) => (plan.ms < best.ms ? plan : best));
}

/**
 * Whether B should be copied to a wider row stride first: rows 4 KiB apart all fall into one set of a CPU's cache, and
 * the lanes core walks down a column of B (1024³ with tiles of 8x2 went from 14.8 to 18.9 GFLOP/s on lavapipe).
 */
export function wantsPaddedColumns(problem: GemmProblem, plan: GemmPlan): boolean {
  return plan.core === "lanes" && problem.columns % 1024 === 0 && problem.depth >= 256 && problem.rows >= 256;
}

/** Elements by which a padded row is longer: one cache line of f32. */
export const COLUMN_PADDING = 16;

/**
 * How many slices the depth of a product is cut into: enough workgroups to fill the device, at least
 * MIN_SLICE of depth a slice, and one slice where the product alone fills it.
 */
export function planSplits(problem: GemmProblem, plan: GemmPlan, adapter: AdapterClass, force?: GemmForce): number {
  if (force?.splits) return force.splits;
  const groups = problem.batch * Math.ceil(problem.rows / plan.tileRows) * Math.ceil(problem.columns / plan.tileColumns);
  const wanted = adapter.software ? 16 : 1056;
  const minSlice = 256;
  return Math.max(1, Math.min(Math.floor(wanted / groups), Math.floor(problem.depth / minSlice), 64));
}
