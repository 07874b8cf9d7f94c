// Patches of CutOut, and with MIX of CutMix: centre uniform in the image, half sides uniform in 10 .. 19 px times `scale`,
// clamped; CutMix shows the same box of the sample's partner in one permutation of the batch.
// n: sample; k: patch. Layout: keys one key, patches as in patches.wgsl. Grid: linear over batch * count.
const MIX: bool = false; // spec
const SWAP_LIMITS: bool = true; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, width: u32, height: u32, scale: f32, site: u32, count: u32, patches: u32, first: u32, step: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> patches: array<vec4<i32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.count) { return; }
  let n = i / params.count;
  let k = i % params.count;
  let word = words(n, k);
  let limit = limits(SWAP_LIMITS);
  let centre = vec2<i32>(vec2<u32>(below(word.x, u32(limit.x)), below(word.y, u32(limit.y))));
  let half = half_sides(word.zw);
  let box = vec4<i32>(clamp(centre - half, vec2<i32>(0), limit), clamp(centre + half, vec2<i32>(0), limit));
  var source = -1;
  if (MIX) { source = i32(partner(n)); }
  store_patch(n, k, box, source, vec2<i32>(0));
}
