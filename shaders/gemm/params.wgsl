// The one uniform struct of the GEMM family. A product C[rows, columns] = A[rows, depth] B[depth, columns] is described
// by the convolution that it comes from; views derive everything else.
const DILATED: bool = false; // spec
struct Params {
  batch: u32,
  in_h: u32, in_w: u32, in_c: u32,      // tensor that A gathers from, NHWC
  out_h: u32, out_w: u32, columns: u32, // tensor that C scatters to (or B streams from), NHWC
  b_stride: u32,                        // elements between rows of B (columns, unless B was padded)
  kernel_h: u32, kernel_w: u32,
  stride_h: u32, stride_w: u32,
  pad_h: u32, pad_w: u32,
  dilation_h: u32, dilation_w: u32,     // input positions from one tap to the next, 1 unless DILATED
  row_offset: u32,                      // first row tile of this dispatch
  splits: u32,                          // split-K slices (weight gradient only)
}
@group(0) @binding(0) var<uniform> params: Params;

// Depth is a sequence of segments; inside a segment both operands are contiguous: a patch row of taps and channels, or
// with DILATED the channels of one tap, whose neighbours are not next to it. `phase` is grid axis z.
struct Phase {
  rows: u32,          // rows of this phase
  segments: u32,      // patch rows, or taps
  segment_length: u32,// contiguous elements of a patch row: taps along x times channels; of a tap: channels
  taps_w: u32,        // DILATED: taps along x
  step_h: u32, step_w: u32, // DILATED: input positions from one tap to the next
  depth_begin: u32,   // first element of the (single) segment that this phase works on
  b_base: u32,        // first element of B
  slice: u32,         // which split-K slice
  rows_h: u32, rows_w: u32,
  scale: i32,         // input step of one row, per axis (stride forward, 1 transposed)
  scale_w: i32,
  origin_h: i32, origin_w: i32, // input position of row 0, tap 0
  out_step_h: u32, out_step_w: u32, out_origin_h: u32, out_origin_w: u32,
}

// Quotient by a small divisor without the slow integer division of software drivers: exact for quotients below 2^22.
fn quotient(n: u32, d: u32) -> u32 {
  var q = u32(f32(n) / f32(d));
  if (q * d > n) { q -= 1u; }
  if (n - q * d >= d) { q += 1u; }
  return q;
}
