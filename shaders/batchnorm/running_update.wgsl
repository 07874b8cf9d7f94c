// running = (1 - momentum) * running + momentum * batch statistics of one slot, for the layers in [first, first + length).
// Called once per pass in the order of the passes, so that merged passes leave what separate ones would.
// Layout: running [count], batch_stats [slots, count]. Grid: linear over length.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, slot: u32, first: u32, length: u32, momentum: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> batch_stats: array<f32>;
@group(0) @binding(2) var<storage, read_write> running: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let k = linear_index(group, groups, lane, WORKGROUP);
  if (k >= params.length) { return; }
  let i = params.first + k;
  running[i] = (1.0 - params.momentum) * running[i] + params.momentum * batch_stats[params.slot * params.count + i];
}
