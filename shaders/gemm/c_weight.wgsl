// C view of a weight gradient: slice z of the partial sums, [splits, rows, columns]; with TRANSPOSED the two channel
// axes are swapped, [splits, taps, columns, in_c], as the weights of a deconvolution are stored.
const TRANSPOSED: bool = false; // spec
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

fn c_row(phase: Phase, row: u32) -> u32 {
  let base = phase.slice * phase.rows * params.columns;
  if (TRANSPOSED) {
    let tap = row / params.in_c;
    return base + tap * params.in_c * params.columns + (row - tap * params.in_c);
  }
  return base + row * params.columns;
}

fn c_store(base: u32, column: u32, value: f32) {
  if (TRANSPOSED) { c[base + column * params.in_c] = value; } else { c[base + column] = value; }
}
