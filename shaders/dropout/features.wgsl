// y[n, p, c] = x[n, p, c] * scale where word n * channels + c of the mask reaches the threshold, else 0: whole channels of a
// sample are kept or dropped. Word k is word k mod 4 of block k / 4; threshold and scale as in dropout/elements.
// n: sample; p: pixel; c: channel. Layout: x, y [batch, pixels, channels] Elem; key [seed, stream, epoch, index].
// Grid: any; every invocation takes a span of batch * chunks * channels, and of each every chunks-th pixel.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, pixels: u32, channels: u32, chunks: u32, site: u32, threshold: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> key: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let words = key[0];
  let lane_key = site_lane(words, params.site);
  let row = params.chunks * params.channels;
  for (var id = span.first; id < params.batch * row; id += span.stride) {
    let n = divide(id, row);
    let start = id - n * row; // chunk * channels + channel: also the place of pixel p = chunk
    let chunk = divide(start, params.channels);
    let feature = n * params.channels + (start - chunk * params.channels);
    let word = mask_words(words, lane_key, feature / 4u)[feature % 4u];
    var at = n * params.pixels * params.channels + start;
    for (var p = chunk; p < params.pixels; p += params.chunks) {
      y[at] = narrow(survivor(widen(x[at]), word));
      at += row;
    }
  }
}
