// y = e^(x - m) / s, with LOGARITHM y = x - m - log s; (m, s) = stats of the element's line along the normalised axis.
// The tensor is [rows, columns]; an invocation keeps its column and walks through rows. Column k of row r belongs to line
// r * line_step + k mod inner: rows are the outer axis, or the normalised one (line_step 0) where the outer one is 1.
// Layout: x, y dense Elem; stats [outer, inner]. Grid: any; every invocation takes a span of chunks * columns.
const LOGARITHM: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { rows: u32, columns: u32, chunks: u32, inner: u32, line_step: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var id = span.first; id < params.chunks * params.columns; id += span.stride) {
    let chunk = divide(id, params.columns);
    let column = id - chunk * params.columns;
    let i = column - divide(column, params.inner) * params.inner;
    for (var row = chunk; row < params.rows; row += params.chunks) {
      let at = row * params.columns + column;
      let line = stats[row * params.line_step + i];
      let shifted = widen(x[at]) - line.x;
      if (LOGARITHM) { y[at] = narrow(shifted - log(line.y)); } else { y[at] = narrow(exp(shifted) / line.y); }
    }
  }
}
