// y[row, column] = x[row, column], with rows of y `stride` elements apart.
// row: depth of a product; column: its columns. Layout: x [rows, columns] f32, the gap of y is never read.
// Grid: linear over rows * columns.
const WORKGROUP: u32 = 64u; // spec
struct Params { rows: u32, columns: u32, stride: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.rows * params.columns) { return; }
  let row = i / params.columns;
  y[row * params.stride + (i - row * params.columns)] = x[i];
}
