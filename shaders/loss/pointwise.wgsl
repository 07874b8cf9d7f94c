// A pointwise loss w l(x, t): with EACH y[i] = value of element i; else y[id] = sum over the span of invocation id, and with
// STORE also gradient[i] = scale w dl/dx in the same pass. x: prediction; t: target, one number with TARGET_NUMBER; w: 1
// without WEIGHTED. Layout: dense x, target_values, weight, gradient [count]; y [count], or one element per invocation.
// Grid: any; it decides how many sums there are.
const EACH: bool = false; // spec
const STORE: bool = false; // spec
const TARGET_NUMBER: bool = false; // spec
const WEIGHTED: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, target_number: f32, beta: f32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> target_values: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  var sum = 0.0;
  for (var i = span.first; i < params.count; i += span.stride) {
    var t = params.target_number;
    if (!TARGET_NUMBER) { t = target_values[i]; }
    var w = 1.0;
    if (WEIGHTED) { w = weight[i]; }
    let value = w * loss_value(x[i], t, params.beta);
    if (EACH) { y[i] = value; } else { sum += value; }
    if (STORE) { gradient[i] = params.scale * w * loss_slope(x[i], t, params.beta); }
  }
  if (!EACH) { y[span.first] = sum; }
}
