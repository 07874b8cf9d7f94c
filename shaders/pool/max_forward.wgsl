// y[n, i, j, c] = max over the window of x, and which tap it was (first in window order, as PyTorch takes it).
// Padding counts as minus infinity. i, j: output pixel; c: channel.
// Layout: x [batch, in_h, in_w, channels] Elem, y and tap [batch, out_h, out_w, channels]. Grid: linear over y.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32,
  kernel: u32, stride: u32, pad: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;
@group(0) @binding(3) var<storage, read_write> tap: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  if (at >= params.batch * params.out_h * params.out_w * params.channels) { return; }
  let c = at % params.channels;
  let pixel = at / params.channels;
  let j = pixel % params.out_w;
  let line = pixel / params.out_w;
  let i = line % params.out_h;
  let n = line / params.out_h;
  var best = 0.0;
  var found = params.kernel * params.kernel;
  for (var a = 0u; a < params.kernel; a++) {
    let h = i32(i * params.stride + a) - i32(params.pad);
    if (h < 0 || h >= i32(params.in_h)) { continue; }
    for (var b = 0u; b < params.kernel; b++) {
      let w = i32(j * params.stride + b) - i32(params.pad);
      if (w < 0 || w >= i32(params.in_w)) { continue; }
      let value = widen(x[((n * params.in_h + u32(h)) * params.in_w + u32(w)) * params.channels + c]);
      // A NaN wins and stays, so that it is not hidden by the pool.
      if (found == params.kernel * params.kernel || value > best || is_nan(value)) {
        best = value;
        found = a * params.kernel + b;
      }
    }
  }
  y[at] = narrow(best);
  tap[at] = found;
}
