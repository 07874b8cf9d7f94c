// Rows of a weight gradient: dW[kh, kw*ci, co] = sum over output pixels of patch(x) times dy. Rows are patch elements,
// depth is the pixels, cut into params.splits slices (grid axis z) that are summed later in a fixed order.
fn phase_of(z: u32) -> Phase {
  let pixels = params.batch * params.out_h * params.out_w;
  // Slices are multiples of 16 pixels, so that no core meets a ragged chunk inside the range.
  let slice = ((pixels + params.splits - 1u) / params.splits + 15u) / 16u * 16u;
  let begin = min(z * slice, pixels);
  var p: Phase;
  p.rows = params.kernel_h * params.kernel_w * params.in_c;
  p.segments = 1u;
  p.segment_length = min(slice, pixels - begin);
  p.depth_begin = begin;
  p.b_base = begin * params.b_stride;
  p.slice = z;
  return p;
}
