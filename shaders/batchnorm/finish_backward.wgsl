// Parameter gradients and the two means that the input gradient needs:
// dbeta = sum of dz, dgamma = sum of dz * xhat (over all groups); means[group, channel] = (mean dz, mean dz * xhat),
// or zero where the statistics are constants (FROZEN).
// Layout: partials [groups, chunks, channels]. Grid: linear over channels.
const FROZEN: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { groups: u32, rows: u32, channels: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> means: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(4) var<storage, read_write> dbeta: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let channel = linear_index(group, groups, lane, WORKGROUP);
  if (channel >= params.channels) { return; }
  var total = vec2<f32>(0.0);
  for (var g = 0u; g < params.groups; g++) {
    var sum = vec2<f32>(0.0);
    for (var chunk = 0u; chunk < params.chunks; chunk++) {
      sum += partials[(g * params.chunks + chunk) * params.channels + channel];
    }
    means[g * params.channels + channel] = select(sum / f32(params.rows), vec2<f32>(0.0), FROZEN);
    total += sum;
  }
  dbeta[channel] = total.x;
  dgamma[channel] = total.y;
}
