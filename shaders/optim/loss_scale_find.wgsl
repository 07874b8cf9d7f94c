// found[0] = 1 where a value of x is infinite or no number; it stays as it is where none is.
// i: element. Layout: x [count], the bits of f32; found [1]. Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> found: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  // The largest magnitude's bits: compilers may fold tests of the values themselves.
  var largest = 0u;
  for (var i = span.first; i < params.count; i += span.stride) { largest = max(largest, x[i] & 0x7fffffffu); }
  if (largest >= 0x7f800000u) { atomicMax(&found[0], 1u); }
}
