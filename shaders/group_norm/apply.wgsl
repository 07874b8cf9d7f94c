// y = (x - mean) * rstd * gamma + beta, with the moments of the element's sample and group.
// The tensor is [outer, rows, channels]; an invocation keeps its channel and walks through rows. Rows are the pixels of a
// sample (outer: samples; row_step 0), or samples of one pixel (outer 1; outer_step 0): the steps lead to the moments.
// Layout: x, y [outer, rows, channels] Elem; moments [batch, groups]; gamma, beta [channels].
// Grid: any; every invocation takes a span of outer * chunks * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, rows: u32, channels: u32, chunks: u32, width: u32, outer_step: u32, row_step: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> moments: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> beta: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let step = params.chunks * params.channels;
  for (var id = span.first; id < params.outer * step; id += span.stride) {
    let o = divide(id, step);
    let start = id - o * step; // chunk * channels + channel: also the place of row = chunk
    let chunk = divide(start, params.channels);
    let channel = start - chunk * params.channels;
    let line = o * params.outer_step + divide(channel, params.width);
    let scale = gamma[channel];
    let shift = beta[channel];
    var at = o * params.rows * params.channels + start;
    for (var row = chunk; row < params.rows; row += params.chunks) {
      let moment = moments[line + row * params.row_step];
      y[at] = narrow(fma((widen(x[at]) - moment.x) * moment.y, scale, shift));
      at += step;
    }
  }
}
