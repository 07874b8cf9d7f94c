// partials[group, chunk, channel] = (sum of dz, sum of dz * xhat), with xhat = (x - mean) * rstd and dz = dy where the gate
// is open, else 0.
// Axes and layout as in batchnorm/apply. Grid: linear over groups * chunks * channels.
const SHARED_MOMENTS: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { groups: u32, rows: u32, channels: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> dy: array<Elem>;
@group(0) @binding(3) var<storage, read> moments: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> gamma: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.groups * params.chunks * params.channels) { return; }
  let channel = i % params.channels;
  let part = i / params.channels;
  let chunk = part % params.chunks;
  let g = part / params.chunks;
  let moment = moments[select(g * params.channels, 0u, SHARED_MOMENTS) + channel];
  let scale = moment.y * gamma[channel];
  let shift = gate_shift(channel);
  var sum = 0.0;
  var product = 0.0;
  let step = params.chunks * params.channels;
  var at = (g * params.rows + chunk) * params.channels + channel;
  for (var row = chunk; row < params.rows; row += params.chunks) {
    let centred = widen(x[at]) - moment.x;
    let dz = select(0.0, widen(dy[at]), is_open(at, fma(centred, scale, shift)));
    sum += dz;
    product = fma(dz, centred * moment.y, product);
    at += step;
  }
  partials[i] = vec2<f32>(sum, product);
}
