// partials[first + id] = sum of x^2 (without SQUARE of x) over the span of invocation id: 32 terms at a time, which keeps
// the rounding error of long sums small. i: element. Layout: x [count], partials f32, one per invocation, in a fixed order.
// Grid: any; it decides how many partials there are.
const SQUARE: bool = true; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, first: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  var total = 0.0;
  var i = span.first;
  while (i < params.count) {
    var sum = 0.0;
    for (var k = 0u; k < 32u && i < params.count; k++) {
      let value = x[i];
      if (SQUARE) { sum = fma(value, value, sum); } else { sum += value; }
      i += span.stride;
    }
    total += sum;
  }
  partials[params.first + span.first] = total;
}
