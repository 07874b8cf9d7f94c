// C = A B for GPUs whose subgroups multiply matrices: operands are rounded to half floats, products are added up in f32.
// Rows: TILE_ROWS per workgroup, REGION_ROWS per subgroup, SIDE per matrix. Columns: TILE_COLUMNS, REGION_COLUMNS, SIDE.
// Depth: TILE_DEPTH at a time, staged in workgroup memory; the next tile is loaded while the one before is multiplied. A
// subgroup loads a matrix of A once for all columns of its region and one of B once for all rows.
// Layout: views decide; with A_ALONG_ROWS rows of A are neighbours in memory, and so are they in its tile. The host guarantees
// subgroups of LANES, regions and depths that are multiples of SIDE, and THREADS that is a multiple of TILE_DEPTH, of 32 and of
// TILE_COLUMNS and divides either tile. gemm/matrix_*.wgsl multiplies.
// Grid: [ceil(columns / TILE_COLUMNS), ceil(rows / TILE_ROWS), phases or splits].
const LANES: u32 = 32u; // spec
const TILE_ROWS: u32 = 128u; // spec
const TILE_COLUMNS: u32 = 128u; // spec
const TILE_DEPTH: u32 = 32u; // spec
const REGION_ROWS: u32 = 64u; // spec
const REGION_COLUMNS: u32 = 32u; // spec
const A_ALONG_ROWS: bool = false; // spec
const SIDE: u32 = 16u;
const REGIONS_X: u32 = TILE_COLUMNS / REGION_COLUMNS;
const REGIONS: u32 = REGIONS_X * (TILE_ROWS / REGION_ROWS);
const THREADS: u32 = REGIONS * LANES;
const MATRICES_Y: u32 = REGION_ROWS / SIDE;
const MATRICES_X: u32 = REGION_COLUMNS / SIDE;

// Staging: neighbouring threads load neighbours in memory. A thread has A_ROWS rows of A and A_DEPTHS depths of each.
const A_THREADS_Y: u32 = select(THREADS / TILE_DEPTH, 32u, A_ALONG_ROWS);
const A_THREADS_X: u32 = THREADS / A_THREADS_Y;
const A_ROWS: u32 = TILE_ROWS / A_THREADS_Y;
const A_DEPTHS: u32 = TILE_DEPTH / A_THREADS_X;
const B_STEP: u32 = THREADS / TILE_COLUMNS;
const B_LOADS: u32 = TILE_DEPTH / B_STEP;

// Of a matrix of results a lane stores one column's rows, RESULT_STEP apart.
const RESULT_STEP: u32 = LANES / SIDE;
const RESULT_ROWS: u32 = SIDE / RESULT_STEP;

// Lines of a tile are 16 bytes longer, so that those of one matrix do not meet in the same banks.
const GAP: u32 = 8u;
const A_STRIDE: u32 = select(TILE_DEPTH, TILE_ROWS, A_ALONG_ROWS) + GAP;
const B_STRIDE: u32 = TILE_COLUMNS + GAP;
var<workgroup> tile_a: array<Half, select(TILE_ROWS, TILE_DEPTH, A_ALONG_ROWS) * A_STRIDE>;
var<workgroup> tile_b: array<Half, TILE_DEPTH * B_STRIDE>;
var<workgroup> results: array<f32, REGIONS * SIDE * SIDE>; // a matrix of each subgroup, on its way to C
var<private> lane: u32; // within the subgroup

fn a_place(row: u32, depth: u32) -> u32 { return select(row * A_STRIDE + depth, depth * A_STRIDE + row, A_ALONG_ROWS); }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let phase = phase_of(group.z);
  let row0 = (group.y + params.row_offset) * TILE_ROWS;
  if (row0 >= phase.rows) { return; }
  let column0 = group.x * TILE_COLUMNS;
  let last_column = params.columns - 1u;

  let a_first = select(thread / A_THREADS_X, thread % A_THREADS_Y, A_ALONG_ROWS);
  let a_depth = select(thread % A_THREADS_X, thread / A_THREADS_Y, A_ALONG_ROWS);
  var rows: array<ARow, A_ROWS>;
  for (var i = 0u; i < A_ROWS; i++) { rows[i] = a_row(phase, row0 + a_first + i * A_THREADS_Y); }
  let b_column = thread % TILE_COLUMNS;
  let b_first = thread / TILE_COLUMNS;
  let b_source = min(column0 + b_column, last_column);

  let subgroup = thread / LANES;
  lane = thread % LANES;
  let row = subgroup / REGIONS_X * REGION_ROWS;
  let column = subgroup % REGIONS_X * REGION_COLUMNS;
  var sums: array<array<Sum, MATRICES_X>, MATRICES_Y>;
  var next_a: array<Half, A_ROWS * A_DEPTHS>;
  var next_b: array<Half, B_LOADS>;

  let chunks = phase.segments * ((phase.segment_length + TILE_DEPTH - 1u) / TILE_DEPTH);
  var segment = 0u;
  var b_segment = phase.b_base;
  var k0 = 0u;
  for (var chunk = 0u; chunk <= chunks; chunk++) {
    if (chunk < chunks) {
      for (var d = 0u; d < A_DEPTHS; d++) {
        let col = a_col(phase, segment, k0 + a_depth + d * A_THREADS_X);
        for (var i = 0u; i < A_ROWS; i++) { next_a[d * A_ROWS + i] = half(a_load(rows[i], col)); }
      }
      // Rows of B behind the segment's end meet zeros of A; the clamp only keeps the address inside.
      let last = phase.segment_length - 1u;
      for (var i = 0u; i < B_LOADS; i++) {
        next_b[i] = half(b_load(b_segment + min(k0 + b_first + i * B_STEP, last) * params.b_stride + b_source));
      }
      k0 += TILE_DEPTH;
      if (k0 >= phase.segment_length) {
        k0 = 0u;
        segment++;
        b_segment += phase.segment_length * params.b_stride;
      }
    }
    if (chunk > 0u) {
      for (var k = 0u; k < TILE_DEPTH; k += SIDE) {
        var left: array<Left, MATRICES_Y>;
        for (var i = 0u; i < MATRICES_Y; i++) { left[i] = load_left(a_place(row + i * SIDE, k)); }
        for (var j = 0u; j < MATRICES_X; j++) {
          let right = load_right(k * B_STRIDE + column + j * SIDE);
          for (var i = 0u; i < MATRICES_Y; i++) { sums[i][j] = multiply_add(left[i], right, sums[i][j]); }
        }
      }
    }
    workgroupBarrier();
    if (chunk < chunks) {
      for (var d = 0u; d < A_DEPTHS; d++) {
        for (var i = 0u; i < A_ROWS; i++) { tile_a[a_place(a_first + i * A_THREADS_Y, a_depth + d * A_THREADS_X)] = next_a[d * A_ROWS + i]; }
      }
      for (var i = 0u; i < B_LOADS; i++) { tile_b[(b_first + i * B_STEP) * B_STRIDE + b_column] = next_b[i]; }
    }
    workgroupBarrier();
  }

  // How a matrix lies in its subgroup's registers is the driver's secret: through workgroup memory to the epilogue.
  let result = subgroup * SIDE * SIDE;
  var lines: array<u32, RESULT_ROWS>;
  for (var i = 0u; i < MATRICES_Y; i++) {
    let first = row0 + row + i * SIDE + lane / SIDE;
    for (var r = 0u; r < RESULT_ROWS; r++) { lines[r] = c_row(phase, min(first + r * RESULT_STEP, phase.rows - 1u)); }
    for (var j = 0u; j < MATRICES_X; j++) {
      store_sum(result, sums[i][j]);
      workgroupBarrier();
      let at = column0 + column + j * SIDE + lane % SIDE;
      for (var r = 0u; r < RESULT_ROWS; r++) {
        let inside = first + r * RESULT_STEP < phase.rows && at <= last_column;
        if (inside) { c_store(lines[r], at, results[result + r * LANES + lane]); }
      }
      workgroupBarrier();
    }
  }
}
