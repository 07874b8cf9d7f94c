// partials[n, t, g] = (mean, sum of squared deviations from it) of x[n, p, g, w] over p = t, t + chunks, ... and all w: two
// passes, and in the first differences to one element, so that a large mean costs neither the variance nor itself digits.
// n: sample; p: pixel; g: group of channels; w: channel of a group; t: chunk. Layer normalisation has one pixel and one group.
// Layout: x [batch, pixels, groups, width] Elem, partials [batch, chunks, groups]; order of additions fixed.
// Grid: any; every invocation takes a span of batch * chunks * groups.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, pixels: u32, groups: u32, width: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let row = params.chunks * params.groups;
  let width = params.width;
  for (var id = span.first; id < params.batch * row; id += span.stride) {
    let n = divide(id, row);
    let start = id - n * row; // t * groups + g
    let t = divide(start, params.groups);
    let first = (n * params.pixels * params.groups + start) * width;
    let origin = widen(x[first]);
    var sum = 0.0;
    var count = 0u;
    var at = first;
    for (var p = t; p < params.pixels; p += params.chunks) {
      for (var w = 0u; w < width; w++) { sum += widen(x[at + w]) - origin; }
      count += width;
      at += row * width;
    }
    let mean = origin + sum / f32(count);
    var squares = 0.0;
    at = first;
    for (var p = t; p < params.pixels; p += params.chunks) {
      for (var w = 0u; w < width; w++) {
        let d = widen(x[at + w]) - mean;
        squares = fma(d, d, squares);
      }
      at += row * width;
    }
    partials[id] = vec2<f32>(mean, squares);
  }
}
