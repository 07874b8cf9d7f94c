// means[n, g] = (mean of gamma dy, mean of gamma dy xhat) of a group: the sum of its partials over the number of its elements.
// Axes as in group_norm/stats. Layout: partials [batch, chunks, groups], means [batch, groups]; order of additions fixed.
// Grid: any; every invocation takes a span of batch * groups.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, groups: u32, chunks: u32, elements: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> means: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var id = span.first; id < params.batch * params.groups; id += span.stride) {
    let n = divide(id, params.groups);
    let first = n * params.chunks * params.groups + (id - n * params.groups);
    var sum = vec2<f32>(0.0);
    for (var t = 0u; t < params.chunks; t++) { sum += partials[first + t * params.groups]; }
    means[id] = sum / f32(params.elements);
  }
}
