// Taps k of a transposed convolution that reach the output positions h with (h + pad) % stride = remainder: those with
// k*dilation = remainder modulo stride. They are first, first + step, ..., `count` of them.
struct Taps { first: u32, step: u32, count: u32 }

fn taps_of(kernel: u32, stride: u32, dilation: u32, remainder: u32) -> Taps {
  if (!DILATED) { return Taps(remainder, stride, select(0u, (kernel - remainder + stride - 1u) / stride, remainder < kernel)); }
  var taps = Taps(0u, 1u, 0u);
  for (var k = 0u; k < kernel; k++) {
    if ((k * dilation) % stride == remainder) {
      if (taps.count == 0u) { taps.first = k; }
      if (taps.count == 1u) { taps.step = k - taps.first; }
      taps.count++;
    }
  }
  return taps;
}
