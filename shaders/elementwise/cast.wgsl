// y[i] = x[i] in another storage type, to the nearest value; a magnitude that it cannot hold becomes infinite.
// i: element. Layout: x flat ElemX, y flat ElemY. Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<ElemX>;
@group(0) @binding(2) var<storage, read_write> y: array<ElemY>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var i = span.first; i < params.count; i += span.stride) { y[i] = ElemY(f32(x[i])); }
}
