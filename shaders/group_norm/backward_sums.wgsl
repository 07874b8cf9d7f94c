// partials[n, t, g] = (sum of gamma dy, sum of gamma dy xhat) over p = t, t + chunks, ... and all w; xhat = (x - mean) * rstd.
// Axes as in group_norm/stats. A place's channel is the place modulo channels; from pixel to pixel it moves by channel_step.
// Layout: x, dy [batch, pixels, groups, width] Elem; moments [batch, groups]; gamma [channels]; partials [batch, chunks,
// groups]; order of additions fixed. Grid: any; every invocation takes a span of batch * chunks * groups.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, pixels: u32, groups: u32, width: u32, chunks: u32, channels: u32, channel_step: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> dy: array<Elem>;
@group(0) @binding(3) var<storage, read> moments: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> gamma: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let row = params.chunks * params.groups;
  let width = params.width;
  for (var id = span.first; id < params.batch * row; id += span.stride) {
    let n = divide(id, row);
    let start = id - n * row;
    let t = divide(start, params.groups);
    let moment = moments[n * params.groups + (start - t * params.groups)];
    var at = (n * params.pixels * params.groups + start) * width;
    var channel = start * width - divide(start * width, params.channels) * params.channels;
    var sum = 0.0;
    var product = 0.0;
    for (var p = t; p < params.pixels; p += params.chunks) {
      for (var w = 0u; w < width; w++) {
        let slope = gamma[channel + w] * widen(dy[at + w]);
        sum += slope;
        product = fma(slope, (widen(x[at + w]) - moment.x) * moment.y, product);
      }
      at += row * width;
      channel += params.channel_step;
      if (channel >= params.channels) { channel -= params.channels; }
    }
    partials[id] = vec2<f32>(sum, product);
  }
}
