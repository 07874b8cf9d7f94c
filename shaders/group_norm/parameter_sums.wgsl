// dgamma[o, t, c] = sum of dy xhat, dbeta[o, t, c] = sum of dy, over rows t, t + chunks, t + 2 chunks ... of o: partial
// results, or with outer = chunks = 1 the gradients. Walk as in group_norm/apply; xhat = (x - mean) * rstd.
// Layout: x, dy [outer, rows, channels] Elem; moments [batch, groups]; dgamma, dbeta [outer, chunks, channels]; order of
// additions fixed. Grid: any; every invocation takes a span of outer * chunks * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, rows: u32, channels: u32, chunks: u32, width: u32, outer_step: u32, row_step: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> dy: array<Elem>;
@group(0) @binding(3) var<storage, read> moments: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(5) var<storage, read_write> dbeta: array<f32>;

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
    var sum = 0.0;
    var product = 0.0;
    var at = o * params.rows * params.channels + start;
    for (var row = chunk; row < params.rows; row += params.chunks) {
      let moment = moments[line + row * params.row_step];
      let slope = widen(dy[at]);
      sum += slope;
      product = fma(slope, (widen(x[at]) - moment.x) * moment.y, product);
      at += step;
    }
    dgamma[id] = product;
    dbeta[id] = sum;
  }
}
