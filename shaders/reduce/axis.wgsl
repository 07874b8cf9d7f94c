// y[o, t, i] = reduction over r = t, t + chunks, t + 2 chunks ... of x[o, r, i]: partial results, or with chunks = 1 the result.
// o: outer; r: reduced, `length` of them; i: inner; t: chunk. KIND: 0 sum, 1 minimum, 2 maximum, 3 sum of squares,
// 4 sum of magnitudes; a NaN is every minimum and maximum. Layout: dense x [outer, length, inner] Elem, y [outer, chunks, inner] f32; order of additions fixed.
// Grid: any; every invocation takes a span of outer * chunks * inner.
const KIND: u32 = 0u; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, length: u32, inner: u32, chunks: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn joined(sum: f32, value: f32) -> f32 {
  switch KIND {
    case 1u { return select(sum, value, is_nan(value) || (!is_nan(sum) && value < sum)); }
    case 2u { return select(sum, value, is_nan(value) || (!is_nan(sum) && value > sum)); }
    case 3u { return fma(value, value, sum); }
    case 4u { return sum + abs(value); }
    default { return sum + value; }
  }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let row = params.chunks * params.inner;
  for (var at = span.first; at < params.outer * row; at += span.stride) {
    let o = divide(at, row);
    let start = at - o * row; // t * inner + i: also the place of element r = t
    let t = divide(start, params.inner);
    var source = o * params.length * params.inner + start;
    var result = 0.0;
    if (KIND == 1u || KIND == 2u) { result = widen(x[source]); }
    for (var r = t; r < params.length; r += params.chunks) {
      result = joined(result, widen(x[source]));
      source += row;
    }
    y[at] = result * params.scale;
  }
}
