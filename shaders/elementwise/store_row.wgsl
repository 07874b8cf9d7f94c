// y[row, i] = x[i] with the row read from a buffer: a log on the device that a replayed step can fill.
// i: element. Layout: x [count], row [1], y [rows, count], Elem. Grid: linear over count.
const WORKGROUP: u32 = 8u; // spec
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> row: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i < params.count) { y[row[0] * params.count + i] = x[i]; }
}
