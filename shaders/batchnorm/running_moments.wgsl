// moments = (running mean, 1/sqrt(running variance + eps)): what evaluation and frozen layers normalise by.
// Layout: running [2, arena_channels], this layer at arena_offset; moments [channels]. Grid: linear over channels.
const WORKGROUP: u32 = 64u; // spec
struct Params { channels: u32, arena_channels: u32, arena_offset: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> running: array<f32>;
@group(0) @binding(2) var<storage, read_write> moments: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.channels) { return; }
  let at = params.arena_offset + i;
  moments[i] = vec2<f32>(running[at], inverseSqrt(running[at + params.arena_channels] + params.epsilon));
}
