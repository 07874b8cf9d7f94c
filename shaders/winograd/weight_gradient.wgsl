// dw[taps of one phase, from, to] = Gt u[., from, to] G with u summed over slices: taps from the gradient of transformed weights
// (winograd/weight.wgsl). slice: parts of the batch, added in their order.
// Layout: u [slices, 16, from, to] with slices `slice_stride` elements apart, dw [taps, from, to], or [taps, to, from] with
// SWAPPED. Grid: linear over from_c * to_c.
const SWAPPED: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { from_c: u32, to_c: u32, slices: u32, slice_stride: u32, tap: u32, step_h: u32, step_w: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;

fn positions(first: u32, pairs: u32) -> vec4<f32> {
  var sum = vec4<f32>();
  for (var slice = 0u; slice < params.slices; slice++) {
    let at = first + slice * params.slice_stride;
    sum += vec4<f32>(u[at], u[at + pairs], u[at + 2u * pairs], u[at + 3u * pairs]);
  }
  return sum;
}

fn store_taps(first: u32, step: u32, column: vec4<f32>) {
  dw[first] = column.x;
  dw[first + step] = column.y;
  if (SIDE == 3u) { dw[first + 2u * step] = column.z; }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let pair = linear_index(group, groups, lane, WORKGROUP);
  let pairs = params.from_c * params.to_c;
  if (pair >= pairs) { return; }
  let sums = mat4x4<f32>(positions(pair, pairs), positions(pair + 4u * pairs, pairs), positions(pair + 8u * pairs, pairs), positions(pair + 12u * pairs, pairs));
  let g = collect(transpose(collect(halve(sums))));
  let from_c = pair / params.to_c;
  let first = params.tap * pairs + select(pair, (pair - from_c * params.to_c) * params.from_c + from_c, SWAPPED);
  store_taps(first, params.step_h * pairs, g[0]);
  store_taps(first + params.step_w * pairs, params.step_h * pairs, g[1]);
  if (SIDE == 3u) { store_taps(first + 2u * params.step_w * pairs, params.step_h * pairs, g[2]); }
}
