// dx[n, h, w, c] = sum of dy over the windows whose maximum was this pixel; gathered, so nothing is added atomically.
// h, w: input pixel; c: channel. Layout as in pool/max_forward. Grid: linear over dx.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32,
  kernel: u32, stride: u32, pad: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read> tap: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  if (at >= params.batch * params.in_h * params.in_w * params.channels) { return; }
  let c = at % params.channels;
  let pixel = at / params.channels;
  let w = pixel % params.in_w;
  let line = pixel / params.in_w;
  let h = line % params.in_h;
  let n = line / params.in_h;
  // Output rows i with 0 <= h + pad - i*stride < kernel.
  let top = h + params.pad;
  let left = w + params.pad;
  let last_i = min(top / params.stride, params.out_h - 1u);
  let last_j = min(left / params.stride, params.out_w - 1u);
  var sum = 0.0;
  var i = select(0u, (top - params.kernel) / params.stride + 1u, top >= params.kernel);
  for (; i <= last_i; i++) {
    var j = select(0u, (left - params.kernel) / params.stride + 1u, left >= params.kernel);
    for (; j <= last_j; j++) {
      let source = ((n * params.out_h + i) * params.out_w + j) * params.channels + c;
      let here = (top - i * params.stride) * params.kernel + (left - j * params.stride);
      if (tap[source] == here) { sum += widen(dy[source]); }
    }
  }
  dx[at] = narrow(sum);
}
