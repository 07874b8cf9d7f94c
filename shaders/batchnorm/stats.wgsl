// partials[group, chunk, channel] = (sum of d, sum of d*d) with d = x - first row of the group: shifted sums, so that
// a large mean does not cancel the variance.
// group: contiguous slice of the rows; chunk: every chunks-th row of it; channel: column.
// Layout: x is [groups * rows, channels] Elem. Grid: linear over groups * chunks * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params { groups: u32, rows: u32, channels: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.groups * params.chunks * params.channels) { return; }
  let channel = i % params.channels;
  let part = i / params.channels;
  let chunk = part % params.chunks;
  let first = (part / params.chunks) * params.rows * params.channels + channel;
  let origin = widen(x[first]);
  var sum = 0.0;
  var squares = 0.0;
  let step = params.chunks * params.channels;
  var at = first + chunk * params.channels;
  for (var row = chunk; row < params.rows; row += params.chunks) {
    let d = widen(x[at]) - origin;
    sum += d;
    squares = fma(d, d, squares);
    at += step;
  }
  partials[i] = vec2<f32>(sum, squares);
}
