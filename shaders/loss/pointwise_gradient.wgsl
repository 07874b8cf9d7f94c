// dx[i] = dy scale w dl/dx, with OF_TARGET dl/dt, of a pointwise loss w l(x, t) (loss/pointwise). dy: dy[i] with EACH, else
// dy[0]. Layout: dense x, target_values, weight, dx [count]; dy [count] or [1]. Grid: any; every invocation takes a span.
const EACH: bool = false; // spec
const OF_TARGET: bool = false; // spec
const TARGET_NUMBER: bool = false; // spec
const WEIGHTED: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, target_number: f32, beta: f32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> target_values: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var i = span.first; i < params.count; i += span.stride) {
    var t = params.target_number;
    if (!TARGET_NUMBER) { t = target_values[i]; }
    var factor = params.scale;
    if (WEIGHTED) { factor *= weight[i]; }
    if (EACH) { factor *= dy[i]; } else { factor *= dy[0]; }
    if (OF_TARGET) { dx[i] = factor * target_slope(x[i], t, params.beta); } else { dx[i] = factor * loss_slope(x[i], t, params.beta); }
  }
}
