// Adam (Kingma and Ba 2015) as PyTorch writes it, over a stretch of a flat arena; i: element.
// g = s g; p = w p; g += z p; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= x m / (sqrt(v) y + eps), with
// x = lr/(1 - b1^t), y = 1/sqrt(1 - b2^t), z = L2 decay, w = 1 - lr * decoupled decay (Loshchilov and Hutter 2019), written
// by the host before every step, so that a replayed one follows the schedule; s = gradient_scale, written on the device, negative to leave
// the step out. second_moment: v itself, or its maximum so far (adam_last, adam_largest). Layout: p, g, m, v [count]
// f32; rows [groups] of (x, y, z, w). Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, row: u32, beta1: f32, beta2: f32, epsilon: f32, rest1: f32, rest2: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> p: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> gradient_scale: array<f32>;
@group(0) @binding(5) var<storage, read_write> m: array<f32>;
@group(0) @binding(6) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = rows[params.row];
  let scale = gradient_scale[0];
  if (scale < 0.0) { return; }
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var i = span.first; i < params.count; i += span.stride) {
    let start = p[i] * row.w;
    let gradient = g[i] * scale + row.z * start;
    let first = params.beta1 * m[i] + params.rest1 * gradient;
    let second = params.beta2 * v[i] + params.rest2 * gradient * gradient;
    m[i] = first;
    v[i] = second;
    p[i] = start - row.x * first / (sqrt(second_moment(i, second)) * row.y + params.epsilon);
  }
}
