// A view, rows = patch elements (t, x), depth = output pixels: the transpose of a_patch for the weight gradient.
@group(0) @binding(1) var<storage, read> a: array<Elem>;

struct ARow { y: i32, x: i32, valid: bool }
struct ACol { image: u32, y: i32, x: i32, valid: bool }

fn a_row(phase: Phase, row: u32) -> ARow {
  let length = params.kernel_w * params.in_c;
  let t = row / length;
  let x = row - t * length;
  if (DILATED) {
    let gaps = x / params.in_c * (params.dilation_w - 1u);
    return ARow(i32(t * params.dilation_h), i32(x + gaps * params.in_c), row < phase.rows);
  }
  return ARow(i32(t), i32(x), row < phase.rows);
}

fn a_col(phase: Phase, segment: u32, k: u32) -> ACol {
  let pixel = min(phase.depth_begin + k, params.batch * params.out_h * params.out_w - 1u);
  let line = quotient(pixel, params.out_w);
  let j = pixel - line * params.out_w;
  let n = quotient(line, params.out_h);
  let i = line - n * params.out_h;
  return ACol(n * params.in_h,
              i32(i * params.stride_h) - i32(params.pad_h),
              (i32(j * params.stride_w) - i32(params.pad_w)) * i32(params.in_c),
              k < phase.segment_length);
}

fn a_load(row: ARow, col: ACol) -> f32 {
  let y = row.y + col.y;
  let x = row.x + col.x;
  let run = params.in_w * params.in_c;
  let inside = row.valid && col.valid && u32(y) < params.in_h && u32(x) < run;
  let index = select(0u, (col.image + u32(y)) * run + u32(x), inside);
  return select(0.0, widen(a[index]), inside);
}
