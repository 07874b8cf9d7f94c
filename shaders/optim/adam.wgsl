// Adam (Kingma and Ba 2015) as PyTorch writes it, over a flat arena:
// g += decay * p; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr/(1 - b1^t) * m / (sqrt(v)/sqrt(1 - b2^t) + eps).
// i: element. Layout: p, g, m, v [count] f32; state = lr/(1 - b1^t), 1/sqrt(1 - b2^t) of this step, written by the host,
// so that a replayed step follows the schedule. Grid: linear over count.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, beta1: f32, beta2: f32, epsilon: f32, weight_decay: f32, rest1: f32, rest2: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> p: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read_write> m: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;
@group(0) @binding(5) var<storage, read> state: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.count) { return; }
  let gradient = g[i] + params.weight_decay * p[i];
  let first = params.beta1 * m[i] + params.rest1 * gradient;
  let second = params.beta2 * v[i] + params.rest2 * gradient * gradient;
  m[i] = first;
  v[i] = second;
  p[i] -= state[0] * first / (sqrt(second) * state[1] + params.epsilon);
}
