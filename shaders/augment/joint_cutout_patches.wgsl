// Patches of Joint CutOut: zeros around joints drawn from the pool with replacement, clamped to the image.
// n: sample; k: patch. Layout: joints.wgsl, patches.wgsl. Grid: linear over batch * count.
const SWAP_LIMITS: bool = true; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params {
  batch: u32, width: u32, height: u32, scale: f32, site: u32, count: u32, patches: u32, first: u32, step: u32,
  joints: u32, pool_size: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> peaks: array<f32>;
@group(0) @binding(3) var<storage, read> pool: array<u32>;
@group(0) @binding(4) var<storage, read_write> patches: array<vec4<i32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.count) { return; }
  let n = i / params.count;
  let k = i % params.count;
  let joint = jittered_joint(n, chosen_joint(words(n, k).x));
  let limit = limits(SWAP_LIMITS);
  let low = clamp(joint.centre - joint.half, vec2<i32>(0), limit);
  let high = clamp(joint.centre + joint.half, vec2<i32>(0), limit);
  store_patch(n, k, vec4<i32>(low, high), -1, vec2<i32>(0));
}
