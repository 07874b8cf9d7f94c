// C = A B for GPUs: a workgroup stages tiles of A and B in workgroup memory, a thread keeps a register tile.
// Rows: TILE_ROWS per workgroup, THREAD_ROWS per thread. Columns: TILE_COLUMNS, THREAD_COLUMNS.
// Depth: TILE_DEPTH at a time, A stored transposed so that a thread reads its rows side by side.
// Layout: views decide; the host guarantees THREADS = (TILE_ROWS/THREAD_ROWS) * (TILE_COLUMNS/THREAD_COLUMNS), and that
// THREADS is a multiple of TILE_DEPTH and of TILE_COLUMNS or the other way round.
// Grid: [ceil(columns / TILE_COLUMNS), ceil(rows / TILE_ROWS), phases or splits].
const TILE_ROWS: u32 = 64u; // spec
const TILE_COLUMNS: u32 = 64u; // spec
const TILE_DEPTH: u32 = 16u; // spec
const THREAD_ROWS: u32 = 4u; // spec
const THREAD_COLUMNS: u32 = 4u; // spec
const THREADS_X: u32 = TILE_COLUMNS / THREAD_COLUMNS;
const THREADS: u32 = THREADS_X * (TILE_ROWS / THREAD_ROWS);
const A_LOADS: u32 = TILE_ROWS * TILE_DEPTH / THREADS;
const A_STEP: u32 = THREADS / TILE_DEPTH;
const B_LOADS: u32 = TILE_COLUMNS * TILE_DEPTH / THREADS;
const B_STEP: u32 = THREADS / TILE_COLUMNS;

var<workgroup> tile_a: array<f32, TILE_DEPTH * TILE_ROWS>;
var<workgroup> tile_b: array<f32, TILE_DEPTH * TILE_COLUMNS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let phase = phase_of(group.z);
  let row0 = (group.y + params.row_offset) * TILE_ROWS;
  if (row0 >= phase.rows) { return; }
  let column0 = group.x * TILE_COLUMNS;
  let last_column = params.columns - 1u;

  // Staging: a thread loads one depth of A for A_LOADS rows, and one column of B for B_LOADS depths.
  let a_depth = thread % TILE_DEPTH;
  let a_first = thread / TILE_DEPTH;
  var a_rows: array<ARow, A_LOADS>;
  for (var i = 0u; i < A_LOADS; i++) { a_rows[i] = a_row(phase, row0 + a_first + i * A_STEP); }
  let b_column = thread % TILE_COLUMNS;
  let b_first = thread / TILE_COLUMNS;
  let b_source = min(column0 + b_column, last_column);

  let row = (thread / THREADS_X) * THREAD_ROWS;
  let column = (thread % THREADS_X) * THREAD_COLUMNS;
  var sums: array<array<f32, THREAD_COLUMNS>, THREAD_ROWS>;

  var b_segment = phase.b_base;
  for (var segment = 0u; segment < phase.segments; segment++) {
    for (var k0 = 0u; k0 < phase.segment_length; k0 += TILE_DEPTH) {
      let col = a_col(phase, segment, k0 + a_depth);
      for (var i = 0u; i < A_LOADS; i++) {
        tile_a[a_depth * TILE_ROWS + a_first + i * A_STEP] = a_load(a_rows[i], col);
      }
      let last = phase.segment_length - 1u;
      for (var i = 0u; i < B_LOADS; i++) {
        let depth = b_first + i * B_STEP;
        tile_b[depth * TILE_COLUMNS + b_column] = b_load(b_segment + min(k0 + depth, last) * params.b_stride + b_source);
      }
      workgroupBarrier();
      for (var k = 0u; k < TILE_DEPTH; k++) {
        var right: array<f32, THREAD_COLUMNS>;
        for (var j = 0u; j < THREAD_COLUMNS; j++) { right[j] = tile_b[k * TILE_COLUMNS + column + j]; }
        for (var r = 0u; r < THREAD_ROWS; r++) {
          let left = tile_a[k * TILE_ROWS + row + r];
          for (var j = 0u; j < THREAD_COLUMNS; j++) { sums[r][j] = fma(left, right[j], sums[r][j]); }
        }
      }
      workgroupBarrier();
    }
    b_segment += phase.segment_length * params.b_stride;
  }

  for (var r = 0u; r < THREAD_ROWS; r++) {
    if (row0 + row + r < phase.rows) {
      let base = c_row(phase, row0 + row + r);
      for (var j = 0u; j < THREAD_COLUMNS; j++) {
        if (column0 + column + j <= last_column) { c_store(base, column0 + column + j, sums[r][j]); }
      }
    }
  }
}
