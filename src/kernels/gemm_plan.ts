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
}

/** C[rows, columns] = A[rows, depth] B[depth, columns], `batch` times (phases). */
export interface GemmProblem {
  rows: number;
  columns: number;
  depth: number;
  batch: number;
}

export type GemmCore = "lanes" | "lanes4" | "tile";

export interface GemmPlan {
  core: GemmCore;
  fragment: string;
  spec: Record<string, number>;
  tileRows: number;
  tileColumns: number;
}

/** Overrides for tests, benches and the tuner. */
export interface GemmForce {
  core?: GemmCore;
  spec?: Record<string, number>;
  splits?: number;
  /** Whether a convolution goes by F(2x2, 3x3); where absent the planner says, if it is free to choose the core too. */
  winograd?: boolean;
}

const LANES_FRAGMENT = "gemm/core_lanes.wgsl";
const LANES4_FRAGMENT = "gemm/core_lanes4.wgsl";
const TILE_FRAGMENT = "gemm/core_tile.wgsl";

/** The cores, as fragments. */
export const CORE_FRAGMENTS: readonly string[] = [LANES_FRAGMENT, LANES4_FRAGMENT, TILE_FRAGMENT];

/** Column vectors per subgroup that the lanes core is compiled for, with their speed relative to the widest (lavapipe, 1024³). */
const LANE_COLUMNS = [
  { columns: 8, speed: 1 },
  { columns: 4, speed: 0.88 },
  { columns: 3, speed: 0.8 },
  { columns: 2, speed: 0.78 },
  { columns: 1, speed: 0.6 },
] as const;

/**
 * 16 rows by as many column vectors as waste little on padding: every element of A that a lane loads is used that often.
 * The accumulators outgrow the registers, and it still pays (1024³ on lavapipe: 8x2 18.8, 16x2 23.9, 16x8 30.2 GFLOP/s).
 */
function lanesPlan(problem: GemmProblem, lanes: number, force: GemmForce | undefined): GemmPlan {
  const vectors = Math.ceil(problem.columns / lanes);
  const cost = ({ columns, speed }: (typeof LANE_COLUMNS)[number]) => (Math.ceil(vectors / columns) * columns) / speed;
  const best = LANE_COLUMNS.reduce((a, b) => (cost(b) < cost(a) ? b : a));
  const spec = { LANES: lanes, ROWS: 16, COLUMNS: best.columns, ...force?.spec };
  return { core: "lanes", fragment: LANES_FRAGMENT, spec, tileRows: spec.ROWS, tileColumns: spec.LANES * spec.COLUMNS };
}

function tilePlan(problem: GemmProblem, adapter: AdapterClass, force: GemmForce | undefined): GemmPlan {
  const wide = problem.columns > 32 && adapter.maxInvocations >= 256;
  const base = wide
    ? { TILE_ROWS: 64, TILE_COLUMNS: 64, TILE_DEPTH: 16, THREAD_ROWS: 4, THREAD_COLUMNS: 4 }
    : { TILE_ROWS: 64, TILE_COLUMNS: 32, TILE_DEPTH: 16, THREAD_ROWS: 4, THREAD_COLUMNS: 4 };
  const spec = { ...base, ...force?.spec };
  return { core: "tile", fragment: TILE_FRAGMENT, spec, tileRows: spec.TILE_ROWS, tileColumns: spec.TILE_COLUMNS };
}

/** Chooses core and tile sizes. */
export function planGemm(problem: GemmProblem, adapter: AdapterClass, force?: GemmForce): GemmPlan {
  const lanesPossible = adapter.subgroupSize !== undefined && adapter.subgroupSize >= 4;
  const lanes = adapter.subgroupSize === 4 ? "lanes4" : "lanes";
  const core = force?.core ?? (adapter.software && lanesPossible ? lanes : "tile");
  if (core === "lanes4") {
    if (adapter.subgroupSize !== 4) throw new Error("the lanes4 core needs subgroups of 4");
    return { core, fragment: LANES4_FRAGMENT, spec: {}, tileRows: 16, tileColumns: 16 };
  }
  if (core === "lanes") {
    if (!adapter.subgroupSize) throw new Error("the lanes core needs subgroups of a fixed size");
    return lanesPlan(problem, adapter.subgroupSize, force);
  }
  return tilePlan(problem, adapter, force);
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
