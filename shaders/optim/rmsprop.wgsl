// RMSprop (Tieleman and Hinton 2012) as PyTorch writes it, over a stretch of a flat arena; i: element.
// g = s g + y p; v = alpha v + (1 - alpha) g^2; p -= x velocity(g / (sqrt(spread(v)) + eps)), with x = lr, y = L2 decay,
// written by the host before every step; s = gradient_scale, written on the device, negative to leave the step out.
// spread: v, or less the square of the mean gradient (rmsprop_raw, rmsprop_centered); velocity: as it is, or with momentum
// (rmsprop_plain, rmsprop_momentum).
// Layout: p, g, v [count] f32; rows [groups] of (x, y, 0, 0). Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, row: u32, alpha: f32, rest: f32, epsilon: f32, momentum: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> p: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> gradient_scale: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = rows[params.row];
  let scale = gradient_scale[0];
  if (scale < 0.0) { return; }
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var i = span.first; i < params.count; i += span.stride) {
    let gradient = g[i] * scale + row.y * p[i];
    let square = params.alpha * v[i] + params.rest * gradient * gradient;
    v[i] = square;
    p[i] -= row.x * velocity_of(i, gradient / (sqrt(spread(i, square, gradient)) + params.epsilon));
  }
}
