// y[i] = x[i] where x[i] > 0, else 0; a NaN stays one.
// i: element. Layout: flat Elem, two buffers that do not overlap. Grid: linear, ceil(count / WORKGROUP).
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.count) { return; }
  let value = widen(x[i]);
  y[i] = narrow(select(value, 0.0, value <= 0.0));
}
