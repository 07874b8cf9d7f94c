// Operands of the elementwise table: tensors by a view (operands_dense, operands_broadcast), or numbers. An operand that the
// function does not have is bound to another one's buffer, and its load goes with the unused value.
const A_NUMBER: bool = false; // spec
const B_NUMBER: bool = false; // spec
const C_NUMBER: bool = false; // spec
struct Params {
  rows: u32, chunks: u32, depth: u32, // elements of y are rows * size5; rows go in chunks of `depth`
  size1: u32, size2: u32, size3: u32, size4: u32, size5: u32,
  a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32,
  b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32,
  c0: u32, c1: u32, c2: u32, c3: u32, c4: u32, c5: u32,
  a_number: f32, b_number: f32, c_number: f32, // operands that are no tensors
  p: f32, q: f32, // attributes
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Elem>;
@group(0) @binding(2) var<storage, read> b: array<Elem>;
@group(0) @binding(3) var<storage, read> c: array<Elem>;

fn operand_a(at: Place) -> f32 {
  if (A_NUMBER) { return params.a_number; }
  return widen(a[place_a(at)]);
}
fn operand_b(at: Place) -> f32 {
  if (B_NUMBER) { return params.b_number; }
  return widen(b[place_b(at)]);
}
fn operand_c(at: Place) -> f32 {
  if (C_NUMBER) { return params.c_number; }
  return widen(c[place_c(at)]);
}
