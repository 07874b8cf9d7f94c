// loss[group] = 1/2 * mean over the group of w^2 (p - t)^2, from the partial sums in a fixed order.
// group: contiguous slice of the batch. Layout: partials [groups, per_group]. Grid: linear over groups.
const WORKGROUP: u32 = 8u; // spec
struct Params { groups: u32, per_group: u32, inverse_count: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let g = linear_index(group, groups, lane, WORKGROUP);
  if (g >= params.groups) { return; }
  // Two levels of summation keep the rounding error of long sums small.
  var total = 0.0;
  for (var first = 0u; first < params.per_group; first += 64u) {
    var sum = 0.0;
    for (var i = first; i < min(first + 64u, params.per_group); i++) { sum += partials[g * params.per_group + i]; }
    total += sum;
  }
  loss[g] = 0.5 * total * params.inverse_count;
}
