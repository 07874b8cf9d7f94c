// rows[n, i, r] = sum over j of dy[n, i, j, r] (x_j, y_i, 1): what row i of the image adds to row r of theta's gradient.
// i: row; j: column, in ascending order; r: x or y. Layout: dy [batch, height, width, 2] f32, rows [batch, height, 2, 3] f32.
// Grid: any; every invocation takes a span of batch * height * 2.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, height: u32, width: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var at = span.first; at < params.batch * params.height * 2u; at += span.stride) {
    let line = at / 2u;
    let y = normalised(line - divide(line, params.height) * params.height, params.height);
    var sum = 0.0;
    var moment = 0.0;
    var source = line * params.width * 2u + (at & 1u);
    for (var j = 0u; j < params.width; j++) {
      let value = dy[source];
      moment += value * normalised(j, params.width);
      sum += value;
      source += 2u;
    }
    rows[3u * at] = moment;
    rows[3u * at + 1u] = sum * y;
    rows[3u * at + 2u] = sum;
  }
}
