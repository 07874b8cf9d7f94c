// dx = y (dy - d), with LOGARITHM dx = dy - e^y d; d = dots of the element's line (softmax/backward_dot).
// Walk and lines as in softmax/apply. Layout: y, dy, dx dense Elem; dots [outer, inner] f32.
// Grid: any; every invocation takes a span of chunks * columns.
const LOGARITHM: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { rows: u32, columns: u32, chunks: u32, inner: u32, line_step: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<Elem>;
@group(0) @binding(2) var<storage, read> dy: array<Elem>;
@group(0) @binding(3) var<storage, read> dots: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var id = span.first; id < params.chunks * params.columns; id += span.stride) {
    let chunk = divide(id, params.columns);
    let column = id - chunk * params.columns;
    let i = column - divide(column, params.inner) * params.inner;
    for (var row = chunk; row < params.rows; row += params.chunks) {
      let at = row * params.columns + column;
      let dot = dots[row * params.line_step + i];
      let value = widen(y[at]);
      let slope = widen(dy[at]);
      if (LOGARITHM) { dx[at] = narrow(slope - exp(value) * dot); } else { dx[at] = narrow(value * (slope - dot)); }
    }
  }
}
