// C = A B for drivers whose lanes are a CPU's vector: no workgroup memory, no barriers, few loads per multiply-add.
// Rows: output rows, ROWS per subgroup. Columns: LANES * COLUMNS per subgroup, one per lane and column vector.
// Depth: LANES at a time; each lane loads one depth element of every row once, and subgroupShuffle spreads it.
// Layout: views decide; the host guarantees one subgroup of LANES per workgroup and a fresh grid per phase.
// Grid: [ceil(columns / (LANES*COLUMNS)), ceil(rows / ROWS), phases or splits].
const LANES: u32 = 8u; // spec
const ROWS: u32 = 8u; // spec
const COLUMNS: u32 = 2u; // spec

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let phase = phase_of(group.z);
  let row0 = (group.y + params.row_offset) * ROWS;
  if (row0 >= phase.rows) { return; }
  let column0 = group.x * (LANES * COLUMNS) + lane;
  let last_column = params.columns - 1u;

  var rows: array<ARow, ROWS>;
  for (var r = 0u; r < ROWS; r++) { rows[r] = a_row(phase, row0 + r); }
  var columns: array<u32, COLUMNS>;
  for (var j = 0u; j < COLUMNS; j++) { columns[j] = min(column0 + j * LANES, last_column); }
  var sums: array<array<f32, COLUMNS>, ROWS>;

  var b_segment = phase.b_base;
  for (var segment = 0u; segment < phase.segments; segment++) {
    for (var k0 = 0u; k0 < phase.segment_length; k0 += LANES) {
      let col = a_col(phase, segment, k0 + lane);
      var own: array<f32, ROWS>;
      for (var r = 0u; r < ROWS; r++) { own[r] = a_load(rows[r], col); }
      // Rows of B behind the segment's end meet zeros of A; the clamp only keeps the address inside.
      let last = phase.segment_length - 1u - k0;
      for (var k = 0u; k < LANES; k++) {
        let b_row = b_segment + (k0 + min(k, last)) * params.b_stride;
        var right: array<f32, COLUMNS>;
        for (var j = 0u; j < COLUMNS; j++) { right[j] = b_load(b_row + columns[j]); }
        for (var r = 0u; r < ROWS; r++) {
          let left = subgroupShuffle(own[r], k);
          for (var j = 0u; j < COLUMNS; j++) { sums[r][j] = fma(left, right[j], sums[r][j]); }
        }
      }
    }
    b_segment += phase.segment_length * params.b_stride;
  }

  for (var r = 0u; r < ROWS; r++) {
    if (row0 + r < phase.rows) {
      let base = c_row(phase, row0 + r);
      for (var j = 0u; j < COLUMNS; j++) {
        let column = column0 + j * LANES;
        if (column <= last_column) { c_store(base, column, sums[r][j]); }
      }
    }
  }
}
