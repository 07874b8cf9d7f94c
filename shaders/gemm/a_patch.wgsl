// A view, rows = output pixels, depth = patch elements: A[(n,i,j), (t, x)] = x[n, i*scale + origin + t, .. + x].
// NHWC makes the taps of one patch row and their channels one contiguous run of W*C, so that the only tests are two ranges.
// With DILATED a segment t is a tap, whose channels are the run.
@group(0) @binding(1) var<storage, read> a: array<Elem>;

struct ARow { image: u32, y: i32, x: i32, valid: bool }
struct ACol { y: i32, x: i32, valid: bool }

fn a_row(phase: Phase, row: u32) -> ARow {
  let m = min(row, phase.rows - 1u);
  let line = quotient(m, phase.rows_w);
  let j = m - line * phase.rows_w;
  let n = quotient(line, phase.rows_h);
  let i = line - n * phase.rows_h;
  return ARow(n * params.in_h,
              i32(i) * phase.scale + phase.origin_h,
              (i32(j) * phase.scale_w + phase.origin_w) * i32(params.in_c),
              row < phase.rows);
}

fn a_col(phase: Phase, segment: u32, k: u32) -> ACol {
  if (DILATED) {
    let line = quotient(segment, phase.taps_w);
    let tap = segment - line * phase.taps_w;
    return ACol(i32(line * phase.step_h), i32(tap * phase.step_w * params.in_c + k), k < phase.segment_length);
  }
  return ACol(i32(segment), i32(k), k < phase.segment_length);
}

fn a_load(row: ARow, col: ACol) -> f32 {
  let y = row.y + col.y;
  let x = row.x + col.x;
  let run = params.in_w * params.in_c;
  let inside = col.valid && u32(y) < params.in_h && u32(x) < run;
  let index = select(0u, (row.image + u32(y)) * run + u32(x), inside);
  return select(0.0, widen(a[index]), inside);
}
