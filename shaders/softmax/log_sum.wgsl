// y[i] = m + log(s) of the pairs (m, s) that softmax/stats and softmax/join leave: the logarithm of a sum of exponentials.
// i: line. Layout: stats, y [count]. Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var i = span.first; i < params.count; i += span.stride) {
    let line = stats[i];
    // A line of nothing but -Infinity has the sum 0, whose logarithm drivers need not know.
    y[i] = select(line.x + log(line.y), -1.0 / line.y, line.y == 0.0);
  }
}
