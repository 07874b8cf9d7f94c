// y[o, i] = the first r with the largest x[o, r, i]; a NaN counts as the largest.
// o: outer; r: searched, `length` of them; i: inner. Layout: dense x [outer, length, inner] Elem, y [outer, inner] u32.
// Grid: any; every invocation takes a span of outer * inner.
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, length: u32, inner: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var at = span.first; at < params.outer * params.inner; at += span.stride) {
    let o = divide(at, params.inner);
    var source = o * params.length * params.inner + (at - o * params.inner);
    var best = widen(x[source]);
    var place = 0u;
    for (var r = 1u; r < params.length; r++) {
      source += params.inner;
      let value = widen(x[source]);
      if (!is_nan(best) && (value > best || is_nan(value))) {
        best = value;
        place = r;
      }
    }
    y[at] = place;
  }
}
