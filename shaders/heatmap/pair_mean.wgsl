// out = mean of the two maps that pair[n, joint] names: bit 0 takes the first teacher's old map, bit 1 the second's.
// n: sample; pixel; joint. Layout: maps and out [batch, pixels, joints], pair [batch, joints] u32.
// Grid: linear over batch * pixels * joints.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, pixels: u32, joints: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read> first_old: array<f32>;
@group(0) @binding(4) var<storage, read> second_old: array<f32>;
@group(0) @binding(5) var<storage, read> pair: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.pixels * params.joints) { return; }
  let n = i / (params.pixels * params.joints);
  let choice = pair[n * params.joints + i % params.joints];
  let a = select(first[i], first_old[i], (choice & 1u) == 1u);
  let b = select(second[i], second_old[i], (choice & 2u) == 2u);
  out[i] = 0.5 * (a + b);
}
