// peaks[n, joint] = (x, y, value) of the first maximum of a map in row-major order; x and y times `scale`.
// n: sample; joint: channel. Layout: maps [batch, height, width, joints] Elem, peaks [batch, joints, 3] f32.
// With ZERO_EMPTY both coordinates are 0 where the maximum is not positive (decoding); without it they stay.
// Grid: linear over batch * joints.
const ZERO_EMPTY: bool = false; // spec
const WORKGROUP: u32 = 32u; // spec
struct Params { batch: u32, width: u32, height: u32, joints: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> maps: array<Elem>;
@group(0) @binding(2) var<storage, read_write> peaks: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.joints) { return; }
  let joint = i % params.joints;
  let first = (i / params.joints) * params.width * params.height * params.joints + joint;
  var best = widen(maps[first]);
  var found = 0u;
  for (var pixel = 1u; pixel < params.width * params.height; pixel++) {
    let value = widen(maps[first + pixel * params.joints]);
    if (value > best) {
      best = value;
      found = pixel;
    }
  }
  let empty = ZERO_EMPTY && !(best > 0.0);
  peaks[3u * i] = select(f32(found % params.width) * params.scale, 0.0, empty);
  peaks[3u * i + 1u] = select(f32(found / params.width) * params.scale, 0.0, empty);
  peaks[3u * i + 2u] = best;
}
