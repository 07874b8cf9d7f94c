// y[i] = x[i] * scale[group of i]; groups are contiguous slices of equal length.
// i: element. Layout: x, y [groups * length], scale [groups], f32. Grid: linear over x.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, length: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i < params.count) { y[i] = x[i] * scale[i / params.length]; }
}
