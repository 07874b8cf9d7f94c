// partials[chunk, column] = sum of x[row, column] over the rows chunk, chunk + chunks, chunk + 2*chunks, ...
// chunk: a part of the rows; column: channel. Layout: x is [rows, columns] Elem; neighbouring invocations read
// neighbouring columns, then neighbouring rows. Grid: linear over chunks * columns.
const WORKGROUP: u32 = 64u; // spec
struct Params { rows: u32, columns: u32, chunks: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.chunks * params.columns) { return; }
  let chunk = i / params.columns;
  let column = i % params.columns;
  var sum = 0.0;
  for (var row = chunk; row < params.rows; row += params.chunks) { sum += widen(x[row * params.columns + column]); }
  partials[i] = sum;
}
