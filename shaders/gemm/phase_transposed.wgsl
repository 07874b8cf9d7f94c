// Rows of a transposed convolution (deconvolution forward, or the input gradient of a convolution), by output parity:
// output position h = i*stride + parity receives taps k with (h + pad - k*dilation) divisible by stride (gemm/taps.wgsl),
// each from that quotient's input row. Taps are packed in reverse (conv/pack_weights.wgsl), so that without dilation a
// patch row is contiguous again. Phase z = parity_h * stride_w + parity_w; a dense product each, no zero work.
fn phase_of(z: u32) -> Phase {
  let parity_h = z / params.stride_w;
  let parity_w = z % params.stride_w;
  let taps_h = taps_of(params.kernel_h, params.stride_h, params.dilation_h, (parity_h + params.pad_h) % params.stride_h);
  let taps_w = taps_of(params.kernel_w, params.stride_w, params.dilation_w, (parity_w + params.pad_w) % params.stride_w);
  // Packed weights: phases in order of z; count the taps of the phases before this one.
  var before = 0u;
  for (var q = 0u; q < z; q++) {
    let h = taps_of(params.kernel_h, params.stride_h, params.dilation_h, (q / params.stride_w + params.pad_h) % params.stride_h);
    let w = taps_of(params.kernel_w, params.stride_w, params.dilation_w, (q % params.stride_w + params.pad_w) % params.stride_w);
    before += h.count * w.count;
  }
  var p: Phase;
  p.rows_h = (params.out_h + params.stride_h - 1u - parity_h) / params.stride_h;
  p.rows_w = (params.out_w + params.stride_w - 1u - parity_w) / params.stride_w;
  p.rows = params.batch * p.rows_h * p.rows_w;
  p.segments = select(select(taps_h.count, 0u, taps_w.count == 0u), taps_h.count * taps_w.count, DILATED);
  p.segment_length = select(taps_w.count * params.in_c, params.in_c, DILATED);
  p.taps_w = taps_w.count;
  // Input rows between neighbouring taps; the taps of a parity are a multiple of the stride apart.
  p.step_h = taps_h.step * params.dilation_h / params.stride_h;
  p.step_w = taps_w.step * params.dilation_w / params.stride_w;
  p.depth_begin = 0u;
  p.b_base = before * params.in_c * params.b_stride;
  p.scale = 1;
  p.scale_w = 1;
  p.origin_h = (i32(parity_h + params.pad_h) - i32(taps_h.first * params.dilation_h)) / i32(params.stride_h) - (i32(taps_h.count) - 1) * i32(p.step_h);
  p.origin_w = (i32(parity_w + params.pad_w) - i32(taps_w.first * params.dilation_w)) / i32(params.stride_w) - (i32(taps_w.count) - 1) * i32(p.step_w);
  p.out_step_h = params.stride_h;
  p.out_step_w = params.stride_w;
  p.out_origin_h = parity_h;
  p.out_origin_w = parity_w;
  return p;
}
