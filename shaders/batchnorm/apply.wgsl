// y = (x - mean) * rstd * gamma + beta [+ residual] [then max(0, .), which a NaN passes].
// group: contiguous slice of the rows; chunk: every chunks-th row; channel: column. One invocation keeps a channel.
// Layout: x, residual, y [groups * rows, channels] Elem; moments [groups, channels] (or [channels] with SHARED_MOMENTS).
// Grid: linear over groups * chunks * channels.
const RELU: bool = false; // spec
const ADD: bool = false; // spec
const SHARED_MOMENTS: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { groups: u32, rows: u32, channels: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> moments: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> beta: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<Elem>;

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
  let shift = beta[channel];
  let step = params.chunks * params.channels;
  var at = (g * params.rows + chunk) * params.channels + channel;
  for (var row = chunk; row < params.rows; row += params.chunks) {
    var value = fma(widen(x[at]) - moment.x, scale, shift);
    if (ADD) { value += residual_at(at); }
    if (RELU) { value = select(value, 0.0, value <= 0.0); }
    y[at] = narrow(value);
    at += step;
  }
}
