// y[n, i, j, c] = 1/kernel² times the sum of x over the window; padding counts as zeros that are part of the mean.
// i, j: output pixel; c: channel. `lanes` neighbouring invocations share out the channels of a pixel.
// Layout: x [batch, in_h, in_w, channels] Elem, y [batch, out_h, out_w, channels]. Grid: any; every invocation takes a span
// of batch * out_h * out_w * lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32,
  kernel: u32, stride: u32, pad: u32, lanes: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let scale = 1.0 / f32(params.kernel * params.kernel);
  for (var id = span.first; id < params.batch * params.out_h * params.out_w * params.lanes; id += span.stride) {
    let pixel = divide(id, params.lanes);
    let line = divide(pixel, params.out_w);
    let j = pixel - line * params.out_w;
    let n = divide(line, params.out_h);
    let i = line - n * params.out_h;
    let top = max(i * params.stride, params.pad) - params.pad;
    let left = max(j * params.stride, params.pad) - params.pad;
    let bottom = min(i * params.stride + params.kernel - params.pad, params.in_h);
    let right = min(j * params.stride + params.kernel - params.pad, params.in_w);
    for (var c = id - pixel * params.lanes; c < params.channels; c += params.lanes) {
      var sum = 0.0;
      for (var h = top; h < bottom; h++) {
        var source = ((n * params.in_h + h) * params.in_w + left) * params.channels + c;
        for (var w = left; w < right; w++) {
          sum += widen(x[source]);
          source += params.channels;
        }
      }
      y[pixel * params.channels + c] = narrow(sum * scale);
    }
  }
}
