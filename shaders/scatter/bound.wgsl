// bound = max over i of the bits of |values[i]|: as integers infinity is above every number and a NaN above infinity.
// Layout: values [count] Elem, bound one u32 that is 0 before. Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<Elem>;
@group(0) @binding(2) var<storage, read_write> bound: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  var largest = 0u;
  for (var i = span.first; i < params.count; i += span.stride) {
    largest = max(largest, bitcast<u32>(widen(values[i])) & 0x7fffffffu);
  }
  if (largest > 0u) { atomicMax(&bound[0], largest); }
}
