// C view: row (n, i, j) goes to y[n, i*step + origin, j*step + origin, column]; `epilogue` may add a bias.
// The last layer of a network is stored in another type than the activations before it may be.
@group(0) @binding(3) var<storage, read_write> c: array<ElemC>;

// First element of an output row, with the columns contiguous behind it.
fn c_row(phase: Phase, row: u32) -> u32 {
  let line = quotient(row, phase.rows_w);
  let j = row - line * phase.rows_w;
  let n = quotient(line, phase.rows_h);
  let i = line - n * phase.rows_h;
  let h = i * phase.out_step_h + phase.out_origin_h;
  let w = j * phase.out_step_w + phase.out_origin_w;
  return ((n * params.out_h + h) * params.out_w + w) * params.columns;
}

fn c_store(base: u32, column: u32, value: f32) {
  c[base + column] = ElemC(epilogue(column, value));
}
