// stats[o, i] = (m, sum over t of s_t e^(m_t - m)), m the largest m_t: the chunks of softmax/stats as one.
// o: outer; i: inner; t: chunk. Layout: partials [outer, chunks, inner], stats [outer, inner]; order of additions fixed.
// Grid: any; every invocation takes a span of outer * inner.
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, inner: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var at = span.first; at < params.outer * params.inner; at += span.stride) {
    let o = divide(at, params.inner);
    let first = o * params.chunks * params.inner + (at - o * params.inner);
    var largest = partials[first].x;
    for (var t = 1u; t < params.chunks; t++) { largest = max(largest, partials[first + t * params.inner].x); }
    var sum = 0.0;
    for (var t = 0u; t < params.chunks; t++) {
      let part = partials[first + t * params.inner];
      sum = fma(part.y, exp(part.x - largest), sum);
    }
    stats[at] = vec2<f32>(largest, sum);
  }
}
