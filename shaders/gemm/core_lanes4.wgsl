// C = A B for drivers with subgroups of 4 lanes and no loop unrolling (SwiftShader): the lanes core written out by hand,
// because there an array indexed in a loop lives in memory.
// Rows: 16 per subgroup, in four vec4. Columns: 4 * 4 per subgroup, one lane and four column vectors apart.
// Depth: 4 at a time; each lane loads one depth element of 16 rows, subgroupBroadcast spreads them.
// Layout: views decide; the host guarantees one subgroup of 4 lanes per workgroup.
// Grid: [ceil(columns / 16), ceil(rows / 16), phases or splits].
const LANES: u32 = 4u;
const ROWS: u32 = 16u;

// sums[r] holds the four column vectors of one row; left has one element of four rows.
fn add_outer(sums: ptr<function, mat4x4<f32>>, left: vec4<f32>, right: vec4<f32>) {
  (*sums)[0] += left.x * right;
  (*sums)[1] += left.y * right;
  (*sums)[2] += left.z * right;
  (*sums)[3] += left.w * right;
}

fn load_right(row: u32, columns: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(b_load(row + columns.x), b_load(row + columns.y), b_load(row + columns.z), b_load(row + columns.w));
}

fn store_row(phase: Phase, row: u32, columns: vec4<u32>, sums: vec4<f32>) {
  if (row >= phase.rows) { return; }
  let base = c_row(phase, row);
  if (columns.x < params.columns) { c_store(base, columns.x, sums.x); }
  if (columns.y < params.columns) { c_store(base, columns.y, sums.y); }
  if (columns.z < params.columns) { c_store(base, columns.z, sums.z); }
  if (columns.w < params.columns) { c_store(base, columns.w, sums.w); }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let phase = phase_of(group.z);
  let first = (group.y + params.row_offset) * ROWS;
  if (first >= phase.rows) { return; }
  let columns = group.x * 16u + lane + vec4<u32>(0u, 4u, 8u, 12u);
  let sources = min(columns, vec4<u32>(params.columns - 1u));
  var rows: array<ARow, ROWS>;
  for (var r = 0u; r < ROWS; r++) { rows[r] = a_row(phase, first + r); }
  var sums0: mat4x4<f32>;
  var sums1: mat4x4<f32>;
  var sums2: mat4x4<f32>;
  var sums3: mat4x4<f32>;
  var b_segment = phase.b_base;
  for (var segment = 0u; segment < phase.segments; segment++) {
    for (var k0 = 0u; k0 < phase.segment_length; k0 += LANES) {
      let col = a_col(phase, segment, k0 + lane);
      var own: array<f32, ROWS>;
      for (var r = 0u; r < ROWS; r++) { own[r] = a_load(rows[r], col); }
      let left0 = vec4<f32>(own[0], own[1], own[2], own[3]);
      let left1 = vec4<f32>(own[4], own[5], own[6], own[7]);
      let left2 = vec4<f32>(own[8], own[9], own[10], own[11]);
      let left3 = vec4<f32>(own[12], own[13], own[14], own[15]);
      // Rows of B behind the segment's end meet zeros of A; the clamp only keeps the address inside.
      let last = phase.segment_length - 1u - k0;
      let b_row = b_segment + k0 * params.b_stride;
      let right0 = load_right(b_row + min(0u, last) * params.b_stride, sources);
      add_outer(&sums0, subgroupBroadcast(left0, 0u), right0);
      add_outer(&sums1, subgroupBroadcast(left1, 0u), right0);
      add_outer(&sums2, subgroupBroadcast(left2, 0u), right0);
      add_outer(&sums3, subgroupBroadcast(left3, 0u), right0);
      let right1 = load_right(b_row + min(1u, last) * params.b_stride, sources);
      add_outer(&sums0, subgroupBroadcast(left0, 1u), right1);
      add_outer(&sums1, subgroupBroadcast(left1, 1u), right1);
      add_outer(&sums2, subgroupBroadcast(left2, 1u), right1);
      add_outer(&sums3, subgroupBroadcast(left3, 1u), right1);
      let right2 = load_right(b_row + min(2u, last) * params.b_stride, sources);
      add_outer(&sums0, subgroupBroadcast(left0, 2u), right2);
      add_outer(&sums1, subgroupBroadcast(left1, 2u), right2);
      add_outer(&sums2, subgroupBroadcast(left2, 2u), right2);
      add_outer(&sums3, subgroupBroadcast(left3, 2u), right2);
      let right3 = load_right(b_row + min(3u, last) * params.b_stride, sources);
      add_outer(&sums0, subgroupBroadcast(left0, 3u), right3);
      add_outer(&sums1, subgroupBroadcast(left1, 3u), right3);
      add_outer(&sums2, subgroupBroadcast(left2, 3u), right3);
      add_outer(&sums3, subgroupBroadcast(left3, 3u), right3);
    }
    b_segment += phase.segment_length * params.b_stride;
  }
  var all = array<mat4x4<f32>, 4>(sums0, sums1, sums2, sums3);
  for (var r = 0u; r < ROWS; r++) { store_row(phase, first + r, columns, all[r / 4u][r % 4u]); }
}
