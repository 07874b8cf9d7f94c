// dw[taps of one phase, pair] = Gt u[., pair] G with u summed over slices: taps from the gradient of transformed weights
// (winograd/weight.wgsl). pair: of channels, in the order of dw; slice: parts of the batch, added in their order.
// Layout: u [slices, 16, pairs] with slices `slice_stride` elements apart, dw [taps, pairs]. Grid: linear over pairs.
const WORKGROUP: u32 = 64u; // spec
struct Params { pairs: u32, slices: u32, slice_stride: u32, tap: u32, step_h: u32, step_w: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;

fn positions(first: u32) -> vec4<f32> {
  var sum = vec4<f32>();
  for (var slice = 0u; slice < params.slices; slice++) {
    let at = first + slice * params.slice_stride;
    sum += vec4<f32>(u[at], u[at + params.pairs], u[at + 2u * params.pairs], u[at + 3u * params.pairs]);
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
  let pairs = params.pairs;
  if (pair >= pairs) { return; }
  let sums = mat4x4<f32>(positions(pair), positions(pair + 4u * pairs), positions(pair + 8u * pairs), positions(pair + 12u * pairs));
  let g = collect(transpose(collect(halve(sums))));
  let first = params.tap * pairs + pair;
  store_taps(first, params.step_h * pairs, g[0]);
  store_taps(first + params.step_w * pairs, params.step_h * pairs, g[1]);
  if (SIDE == 3u) { store_taps(first + 2u * params.step_w * pairs, params.step_h * pairs, g[2]); }
}
