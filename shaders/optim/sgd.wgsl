// Stochastic gradient descent as PyTorch writes it, over a stretch of a flat arena; i: element.
// g = s g + y p; p -= x direction(g), with x = lr, y = L2 decay, z = 1 - dampening (1 in the first step), written by the
// host before every step; s = gradient_scale, written on the device, negative to leave the step out.
// direction: g itself, or with momentum (sgd_plain, sgd_momentum). Layout: p, g [count] f32; rows [groups] of
// (x, y, z, 0). Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, row: u32, momentum: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> p: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> gradient_scale: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = rows[params.row];
  let scale = gradient_scale[0];
  if (scale < 0.0) { return; }
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var i = span.first; i < params.count; i += span.stride) {
    p[i] -= row.x * direction(i, g[i] * scale + row.y * p[i], row.z);
  }
}
