// moments[n, g] = (mean, 1/sqrt(biased variance + eps)) of a group from its chunks: mean = sum of c_t mean_t / c, and the
// squared deviations of a chunk grow by c_t (mean_t - mean)^2 (Chan, Golub and LeVeque); c_t elements in chunk t, c in all.
// Axes as in group_norm/stats. Layout: partials [batch, chunks, groups], moments [batch, groups]; order of additions fixed.
// Grid: any; every invocation takes a span of batch * groups.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, pixels: u32, groups: u32, width: u32, chunks: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> moments: array<vec2<f32>>;

fn chunk_elements(t: u32) -> f32 { return f32(divide(params.pixels - t + params.chunks - 1u, params.chunks) * params.width); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let total = f32(params.pixels * params.width);
  for (var id = span.first; id < params.batch * params.groups; id += span.stride) {
    let n = divide(id, params.groups);
    let first = n * params.chunks * params.groups + (id - n * params.groups);
    let origin = partials[first].x;
    var shift = 0.0;
    for (var t = 1u; t < params.chunks; t++) { shift += chunk_elements(t) * (partials[first + t * params.groups].x - origin); }
    let mean = origin + shift / total;
    var squares = 0.0;
    for (var t = 0u; t < params.chunks; t++) {
      let part = partials[first + t * params.groups];
      let d = part.x - mean;
      squares += fma(chunk_elements(t) * d, d, part.y);
    }
    moments[id] = vec2<f32>(mean, inverseSqrt(squares / total + params.epsilon));
  }
}
