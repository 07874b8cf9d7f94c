// C view: a dense [rows, columns] matrix per phase; `epilogue` may add a bias.
@group(0) @binding(3) var<storage, read_write> c: array<Elem>;

fn c_row(phase: Phase, row: u32) -> u32 { return phase.c_base + row * params.columns; }

fn c_store(base: u32, column: u32, value: f32) {
  c[base + column] = narrow(epilogue(column, value));
}
