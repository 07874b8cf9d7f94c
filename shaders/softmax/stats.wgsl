// partials[o, t, i] = (m, sum of e^(x - m)) over r = t, t + chunks, t + 2 chunks ... with m the largest x[o, r, i] of them.
// o: outer; r: the normalised axis, `length` of them; i: inner; t: chunk. A chunk of nothing but -Infinity has the sum 0.
// Layout: x [outer, length, inner] Elem, partials [outer, chunks, inner]; order of additions fixed.
// Grid: any; every invocation takes a span of outer * chunks * inner.
const WORKGROUP: u32 = 64u; // spec
// Below every logit but -Infinity, and finite: -Infinity minus it is still -Infinity, never a NaN.
const LOWEST: f32 = -3.4e38;
struct Params { outer: u32, length: u32, inner: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let row = params.chunks * params.inner;
  for (var at = span.first; at < params.outer * row; at += span.stride) {
    let o = divide(at, row);
    let start = at - o * row; // t * inner + i: also the place of element r = t
    let t = divide(start, params.inner);
    let first = o * params.length * params.inner + start;
    var largest = LOWEST;
    var source = first;
    for (var r = t; r < params.length; r += params.chunks) {
      largest = max(largest, widen(x[source]));
      source += row;
    }
    var sum = 0.0;
    source = first;
    for (var r = t; r < params.length; r += params.chunks) {
      sum += exp(widen(x[source]) - largest);
      source += row;
    }
    partials[at] = vec2<f32>(largest, sum);
  }
}
