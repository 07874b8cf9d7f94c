// The uniforms of the grouped convolutions: x [batch, in_h, in_w, in_c], y [batch, out_h, out_w, out_c], weights
// [kernel_h, kernel_w, group_in, out_c]. Channel q of y sees the group_in channels of x from q / group_out * group_in on.
struct Params {
  batch: u32,
  in_h: u32, in_w: u32, in_c: u32,
  out_h: u32, out_w: u32, out_c: u32,
  group_in: u32, group_out: u32,
  kernel_h: u32, kernel_w: u32,
  stride_h: u32, stride_w: u32,
  pad_h: u32, pad_w: u32,
  dilation_h: u32, dilation_w: u32,
  chunks: u32, // parts of the pixels (weight gradient only)
}
@group(0) @binding(0) var<uniform> params: Params;
