// dx[i] = dy[i] * f'(a[i], b[i], c[i]), the derivative by operand INPUT; all of y's shape, to be summed where x was broadcast.
// i: element of y. Layout: dense Elem; dx overlaps no operand. Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
@group(0) @binding(4) var<storage, read> dy: array<Elem>;
@group(0) @binding(5) var<storage, read_write> dx: array<Elem>;

fn element(i: u32, at: Place) {
  let slope = function_derivative(operand_a(at), operand_b(at), operand_c(at), params.p, params.q);
  dx[i] = narrow(widen(dy[i]) * slope);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  walk(span_of(group, groups, lane, WORKGROUP));
}
