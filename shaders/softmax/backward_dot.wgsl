// partials[o, t, i] = sum of dy y, with LOGARITHM sum of dy, over r = t, t + chunks, t + 2 chunks ... of [o, r, i].
// Axes as in softmax/stats. Layout: y, dy [outer, length, inner] Elem, partials [outer, chunks, inner] f32; order of
// additions fixed. Grid: any; every invocation takes a span of outer * chunks * inner.
const LOGARITHM: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, length: u32, inner: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<Elem>;
@group(0) @binding(2) var<storage, read> dy: array<Elem>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let row = params.chunks * params.inner;
  for (var at = span.first; at < params.outer * row; at += span.stride) {
    let o = divide(at, row);
    let start = at - o * row;
    let t = divide(start, params.inner);
    var source = o * params.length * params.inner + start;
    var sum = 0.0;
    for (var r = t; r < params.length; r += params.chunks) {
      if (LOGARITHM) { sum += widen(dy[source]); } else { sum = fma(widen(dy[source]), widen(y[source]), sum); }
      source += row;
    }
    partials[at] = sum;
  }
}
