// What gemm/matrix_subgroup.wgsl does, in plain WGSL: runs core_matrix, views and all, on adapters without subgroup matrices.
// For tests: operands stay in the tiles, each lane adds up its share of a matrix. FAULT makes a driver that errs: 1 takes
// the right operand for its transpose, 2 rounds sums to half floats.
const FAULT: u32 = 0u; // spec
alias Half = f32;
struct Left { first: u32 }
struct Right { first: u32 }
struct Sum { own: array<f32, SIDE * SIDE / LANES> }

fn half(value: f32) -> Half { return quantizeToF16(value); }
fn load_left(first: u32) -> Left { return Left(first); }
fn load_right(first: u32) -> Right { return Right(first); }

fn multiply_add(left: Left, right: Right, sum: Sum) -> Sum {
  var out = sum;
  let column = lane % SIDE;
  // Bounds that compilers do not know: written out, these loops take software drivers seconds to compile.
  let side = min(SIDE, params.columns * SIDE);
  for (var e = 0u; e < side * SIDE / LANES; e++) {
    let row = (e * LANES + lane) / SIDE;
    for (var k = 0u; k < side; k++) {
      let b = select(k * B_STRIDE + column, column * B_STRIDE + k, FAULT == 1u);
      out.own[e] = fma(tile_a[left.first + a_place(row, k)], tile_b[right.first + b], out.own[e]);
    }
    if (FAULT == 2u) { out.own[e] = quantizeToF16(out.own[e]); }
  }
  return out;
}

fn store_sum(first: u32, sum: Sum) {
  for (var e = 0u; e < SIDE * SIDE / LANES; e++) { results[first + e * LANES + lane] = sum.own[e]; }
}
