// dx = gamma * rstd * (dz - mean dz - xhat * mean(dz * xhat)), dz = dy where the gate is open, else 0; with a residual
// also its gradient dz.
// Axes and layout as in batchnorm/apply; means [groups, channels]. Grid: linear over groups * chunks * channels.
const SHARED_MOMENTS: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { groups: u32, rows: u32, channels: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(4) var<storage, read> moments: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read> means: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read> gamma: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.groups * params.chunks * params.channels) { return; }
  let channel = i % params.channels;
  let part = i / params.channels;
  let chunk = part % params.chunks;
  let g = part / params.chunks;
  let moment = moments[select(g * params.channels, 0u, SHARED_MOMENTS) + channel];
  let mean = means[g * params.channels + channel];
  let scale = moment.y * gamma[channel];
  let shift = gate_shift(channel);
  let step = params.chunks * params.channels;
  var at = (g * params.rows + chunk) * params.channels + channel;
  for (var row = chunk; row < params.rows; row += params.chunks) {
    let centred = widen(x[at]) - moment.x;
    let dz = select(0.0, gradient_at(at), is_open(at, fma(centred, scale, shift)));
    dx[at] = narrow(scale * (dz - mean.x - centred * moment.y * mean.y));
    store_residual_gradient(at, dz);
    at += step;
  }
}
