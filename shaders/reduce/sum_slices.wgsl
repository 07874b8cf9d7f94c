// y[i] = sum over s of x[s, i], in the order of s: two runs give the same bits.
// i: element; s: slice. Layout: x is [slices, count], f32. Grid: linear, ceil(count / WORKGROUP).
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, slices: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.count) { return; }
  var sum = 0.0;
  for (var s = 0u; s < params.slices; s++) { sum += x[s * params.count + i]; }
  y[i] = sum;
}
