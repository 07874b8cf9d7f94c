// Rows of a transposed convolution (deconvolution forward, or the input gradient of a convolution), by output parity:
// output position h = i*stride + parity receives taps k with (h + pad - k) divisible by stride, that is k = k0 + stride*t,
// from input row i + c - t. Taps are packed in reverse (conv/pack_weights.wgsl), so that a patch row is contiguous again.
// Phase z = parity_h * stride_w + parity_w; a dense product each, no zero work.
fn taps_of(kernel: u32, stride: u32, first: u32) -> u32 {
  return select(0u, (kernel - first + stride - 1u) / stride, first < kernel);
}

fn phase_of(z: u32) -> Phase {
  let parity_h = z / params.stride_w;
  let parity_w = z % params.stride_w;
  let first_h = (parity_h + params.pad_h) % params.stride_h;
  let first_w = (parity_w + params.pad_w) % params.stride_w;
  let taps_h = taps_of(params.kernel_h, params.stride_h, first_h);
  let taps_w = taps_of(params.kernel_w, params.stride_w, first_w);
  // Packed weights: phases in order of z; count the taps of the phases before this one.
  var before = 0u;
  for (var q = 0u; q < z; q++) {
    let h = (q / params.stride_w + params.pad_h) % params.stride_h;
    let w = (q % params.stride_w + params.pad_w) % params.stride_w;
    before += taps_of(params.kernel_h, params.stride_h, h) * taps_of(params.kernel_w, params.stride_w, w);
  }
  var p: Phase;
  p.rows_h = (params.out_h + params.stride_h - 1u - parity_h) / params.stride_h;
  p.rows_w = (params.out_w + params.stride_w - 1u - parity_w) / params.stride_w;
  p.rows = params.batch * p.rows_h * p.rows_w;
  p.segments = select(taps_h, 0u, taps_w == 0u);
  p.segment_length = taps_w * params.in_c;
  p.depth_begin = 0u;
  p.b_base = before * params.in_c * params.b_stride;
  p.scale = 1;
  p.scale_w = 1;
  p.origin_h = (i32(parity_h + params.pad_h) - i32(first_h)) / i32(params.stride_h) - i32(taps_h) + 1;
  p.origin_w = (i32(parity_w + params.pad_w) - i32(first_w)) / i32(params.stride_w) - i32(taps_w) + 1;
  p.out_step_h = params.stride_h;
  p.out_step_w = params.stride_w;
  p.out_origin_h = parity_h;
  p.out_origin_w = parity_w;
  return p;
}
