// Rows of a plain convolution: y[n, i, j] reads x at (i*stride - pad + a*dilation, ...) for taps a; one phase.
// Also the input gradient of a transposed convolution, whose mathematics is the same.
fn phase_of(z: u32) -> Phase {
  var p: Phase;
  p.rows_h = params.out_h;
  p.rows_w = params.out_w;
  p.rows = params.batch * p.rows_h * p.rows_w;
  p.segments = select(params.kernel_h, params.kernel_h * params.kernel_w, DILATED);
  p.segment_length = select(params.kernel_w * params.in_c, params.in_c, DILATED);
  p.taps_w = params.kernel_w;
  p.step_h = params.dilation_h;
  p.step_w = params.dilation_w;
  p.depth_begin = 0u;
  p.b_base = 0u;
  p.scale = i32(params.stride_h);
  p.scale_w = i32(params.stride_w);
  p.origin_h = -i32(params.pad_h);
  p.origin_w = -i32(params.pad_w);
  p.out_step_h = 1u;
  p.out_step_w = 1u;
  p.out_origin_h = 0u;
  p.out_origin_w = 0u;
  return p;
}
