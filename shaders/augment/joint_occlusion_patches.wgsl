// Patches of Joint Cut-Occlusion: the surroundings of a joint of one other image of the batch, pasted around a joint of
// this one. The target box takes the extents of the clamped source box; where it touches a border, the source is trimmed on
// that side; what still does not fit becomes zeros.
// PARITY (multiaugs D-2): the original takes x for the row and y for the column of a joint; SWAP_AXES keeps that.
// PARITY: limits are exclusive and one less than the size, so the last row and column are never touched.
// n: sample; k: patch. Layout: joints.wgsl, patches.wgsl. Grid: linear over batch * count.
const SWAP_AXES: bool = true; // spec
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

fn placed_joint(n: u32, joint: u32) -> Joint {
  let found = jittered_joint(n, joint);
  return Joint(select(found.centre, found.centre.yx, SWAP_AXES), found.half);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.count) { return; }
  let n = i / params.count;
  let k = i % params.count;
  let word = words(n, k);
  let image = below(words(n, BATCH_COUNTERS).x, params.batch);
  let zero = vec2<i32>(0);
  let limit = limits(false) - 1;

  let source = placed_joint(image, chosen_joint(word.y));
  let source_low = clamp(source.centre - source.half, zero, limit);
  let source_high = clamp(source.centre + source.half, zero, limit);
  let centre = placed_joint(n, chosen_joint(word.x)).centre;
  let low = clamp(centre - abs(source_low - source.centre), zero, limit);
  let high = clamp(centre + abs(source_high - source.centre), zero, limit);

  // PARITY: trimmed also where the source is the smaller one, its joint outside of the image; it fits even less then.
  let difference = abs((source_high - source_low) - (high - low));
  let trimmed_low = source_low + select(zero, difference, low == zero);
  let trimmed_high = source_high - select(zero, difference, high == limit);
  let fits = all(trimmed_high > trimmed_low) && all(trimmed_high - trimmed_low == high - low);
  store_patch(n, k, vec4<i32>(low, high), select(-1, i32(image), fits), trimmed_low - low);
}
