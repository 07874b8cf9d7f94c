// dw[., ., i, o] = Gt u[., i, o] G with u summed over slices: taps from the gradient of transformed weights (F(2x2, 3x3),
// winograd/weight.wgsl). i: input channels; o: output channels; slice: parts of the batch, added in their order.
// Layout: u [slices, 16, i, o] with slices `slice_stride` elements apart, dw [3, 3, i, o]. Grid: linear over i * o.
const WORKGROUP: u32 = 64u; // spec
struct Params { pairs: u32, slices: u32, slice_stride: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;

// Four values of one line, as three taps.
fn taps(first: u32) -> vec3<f32> {
  var sum = vec4<f32>(0.0);
  for (var slice = 0u; slice < params.slices; slice++) {
    let at = first + slice * params.slice_stride;
    sum += vec4<f32>(u[at], u[at + params.pairs], u[at + 2u * params.pairs], u[at + 3u * params.pairs]);
  }
  let even = 0.5 * (sum.y + sum.z);
  return vec3<f32>(sum.x + even, 0.5 * (sum.y - sum.z), even + sum.w);
}

fn store(first: u32, line: vec3<f32>) {
  dw[first] = line.x;
  dw[first + params.pairs] = line.y;
  dw[first + 2u * params.pairs] = line.z;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let pair = linear_index(group, groups, lane, WORKGROUP);
  if (pair >= params.pairs) { return; }
  let u0 = taps(pair);
  let u1 = taps(pair + 4u * params.pairs);
  let u2 = taps(pair + 8u * params.pairs);
  let u3 = taps(pair + 12u * params.pairs);
  let even = 0.5 * (u1 + u2);
  store(pair, u0 + even);
  store(pair + 3u * params.pairs, 0.5 * (u1 - u2));
  store(pair + 6u * params.pairs, even + u3);
}
