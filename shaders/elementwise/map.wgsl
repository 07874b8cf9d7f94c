// y[i] = f(a[i], b[i], c[i]), f a row of functions.wgsl, operands broadcast to the shape of y.
// i: element of y. Layout: dense Elem; y overlaps no operand. Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
@group(0) @binding(4) var<storage, read_write> y: array<Elem>;

fn element(i: u32, at: Place) {
  y[i] = narrow(function_value(operand_a(at), operand_b(at), operand_c(at), params.p, params.q));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  walk(span_of(group, groups, lane, WORKGROUP));
}
