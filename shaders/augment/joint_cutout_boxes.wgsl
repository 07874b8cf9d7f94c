// boxes[n, k] = [x0, y0, x1, y1) around a jittered joint: joint index uniform over `pool` joints with replacement, centre
// = joint + N(0, 10 px) truncated, half sides uniform in 10..19 px times `scale`, clamped to the image. Jitter and sides
// belong to the joint: drawn twice it gives the same box twice, as in the original.
// PARITY (multiaugs D-1): the original clamps x to the height and y to the width, so that nothing below row `width` is
// ever hidden in portrait images; SWAP_LIMITS keeps that.
// n: sample; k: box. Layout: peaks [batch, joints, 3] px, pool [pool_size] joint indices, keys [seed, stream, epoch,
// first sample index], boxes [batch, holes, 4]. Grid: linear over batch * holes.
const SWAP_LIMITS: bool = true; // spec
const WORKGROUP: u32 = 64u; // spec
// Counters of a joint's draws start here, those of the choices at 0.
const JOINT_COUNTERS: u32 = 65536u;
struct Params { batch: u32, joints: u32, holes: u32, width: u32, height: u32, pool_size: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> peaks: array<f32>;
@group(0) @binding(2) var<storage, read> pool: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> boxes: array<i32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.holes) { return; }
  let n = i / params.holes;
  let k = i % params.holes;
  let lane_key = pcg4d(vec4<u32>(keys[1], keys[2], 0u, 0u)).w;
  let choice = pcg4d(vec4<u32>(keys[0], lane_key, keys[3] + n, k)).x;
  let joint = pool[min(u32(unit(choice) * f32(params.pool_size)), params.pool_size - 1u)];
  let draw = pcg4d(vec4<u32>(keys[0], lane_key, keys[3] + n, JOINT_COUNTERS + joint));
  let half_x = i32((10.0 + floor(unit(draw.x) * 10.0)) * params.scale);
  let half_y = i32((10.0 + floor(unit(draw.y) * 10.0)) * params.scale);
  let noise = normal_pair(draw.z, draw.w) * (10.0 * params.scale);
  let source = 3u * (n * params.joints + joint);
  let x = i32(peaks[source] + noise.x);
  let y = i32(peaks[source + 1u] + noise.y);
  let limit_x = i32(select(params.width, params.height, SWAP_LIMITS));
  let limit_y = i32(select(params.height, params.width, SWAP_LIMITS));
  boxes[4u * i] = clamp(x - half_x, 0, limit_x);
  boxes[4u * i + 1u] = clamp(y - half_y, 0, limit_y);
  boxes[4u * i + 2u] = clamp(x + half_x, 0, limit_x);
  boxes[4u * i + 3u] = clamp(y + half_y, 0, limit_y);
}
