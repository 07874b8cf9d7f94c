// dx = rstd * (gamma dy - mean of gamma dy - xhat * mean of gamma dy xhat), means over the element's sample and group.
// Walk as in group_norm/apply. Layout: x, dy, dx [outer, rows, channels] Elem; moments, means [batch, groups];
// gamma [channels]. Grid: any; every invocation takes a span of outer * chunks * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, rows: u32, channels: u32, chunks: u32, width: u32, outer_step: u32, row_step: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> dy: array<Elem>;
@group(0) @binding(3) var<storage, read> moments: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read> means: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read> gamma: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<Elem>;

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
    var at = o * params.rows * params.channels + start;
    for (var row = chunk; row < params.rows; row += params.chunks) {
      let moment = moments[line + row * params.row_step];
      let mean = means[line + row * params.row_step];
      let normalised = (widen(x[at]) - moment.x) * moment.y;
      dx[at] = narrow(moment.y * (scale * widen(dy[at]) - mean.x - normalised * mean.y));
      at += step;
    }
  }
}
