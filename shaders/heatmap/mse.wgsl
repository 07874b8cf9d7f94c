// gradient = w^2 (p - t) / count and partial sums of w^2 (p - t)^2, in one pass; count = elements of one group.
// n: sample; chunk: every chunks-th pixel of it; j: joint. One invocation keeps a joint and its weight.
// Layout: p, t, gradient [batch, pixels, joints], weight [batch, joints], partials [batch, chunks, joints].
// Grid: linear over batch * chunks * joints.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, pixels: u32, joints: u32, chunks: u32, inverse_count: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read> target_map: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.chunks * params.joints) { return; }
  let joint = i % params.joints;
  let part = i / params.joints;
  let chunk = part % params.chunks;
  let n = part / params.chunks;
  let w = weight[n * params.joints + joint];
  var sum = 0.0;
  var at = (n * params.pixels + chunk) * params.joints + joint;
  for (var pixel = chunk; pixel < params.pixels; pixel += params.chunks) {
    let difference = w * prediction[at] - w * target_map[at];
    gradient[at] = w * difference * params.inverse_count;
    sum = fma(difference, difference, sum);
    at += params.chunks * params.joints;
  }
  partials[i] = sum;
}
