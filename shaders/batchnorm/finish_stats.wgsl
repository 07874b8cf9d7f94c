// From partial sums to what the forward pass and the running averages need, per group and channel:
// moments = (mean, 1/sqrt(biased variance + eps)); batch statistics = mean and unbiased variance in the slot of the pass.
// Layout: partials [groups, chunks, channels], x as in batchnorm/stats; moments [groups, channels];
// batch_stats [slots, 2, arena_channels], this layer at arena_offset. Grid: linear over groups * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  groups: u32, rows: u32, channels: u32, chunks: u32,
  slot: u32, arena_channels: u32, arena_offset: u32, epsilon: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> moments: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> batch_stats: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.groups * params.channels) { return; }
  let channel = i % params.channels;
  let g = i / params.channels;
  var sum = vec2<f32>(0.0);
  for (var chunk = 0u; chunk < params.chunks; chunk++) {
    sum += partials[(g * params.chunks + chunk) * params.channels + channel];
  }
  let count = f32(params.rows);
  let shift = sum.x / count;
  let mean = widen(x[g * params.rows * params.channels + channel]) + shift;
  // Rounding may take it below 0; a NaN stays one.
  let difference = sum.y / count - shift * shift;
  let variance = select(difference, 0.0, difference < 0.0);
  moments[i] = vec2<f32>(mean, inverseSqrt(variance + params.epsilon));
  let slot = (params.slot + g) * 2u * params.arena_channels + params.arena_offset + channel;
  batch_stats[slot] = mean;
  batch_stats[slot + params.arena_channels] = variance * (count / max(count - 1.0, 1.0));
}
