// A view: a matrix at any strides, A[row, (segment, k)] = a[base + row*a_row + segment*a_segment + k*a_depth].
@group(0) @binding(1) var<storage, read> a: array<Elem>;

struct ARow { base: u32 }
struct ACol { offset: u32, valid: bool }

fn a_row(phase: Phase, row: u32) -> ARow {
  return ARow(phase.a_base + min(row, phase.rows - 1u) * params.a_row);
}

fn a_col(phase: Phase, segment: u32, k: u32) -> ACol {
  return ACol(segment * params.a_segment + k * params.a_depth, k < phase.segment_length);
}

fn a_load(row: ARow, col: ACol) -> f32 {
  let index = row.base + select(0u, col.offset, col.valid);
  return select(0.0, widen(a[index]), col.valid);
}
