// dx[n, h, w, c] = sum of dy over the windows whose maximum was this pixel; gathered, so nothing is added atomically.
// One invocation keeps a row h and a channel c and walks along the windows: each is read once, and its share goes to KERNEL
// running sums, of which STRIDE are complete behind it.
// Layout as in pool/max_forward. Grid: linear over batch * in_h * channels.
const KERNEL: u32 = 3u; // spec
const STRIDE: u32 = 2u; // spec
const WORKGROUP: u32 = 64u; // spec
// Windows that reach one row, and pixels between the first of one window and the last that it or the step to the next reaches.
const ROWS: u32 = (KERNEL + STRIDE - 1u) / STRIDE;
const WIDTH: u32 = max(KERNEL, STRIDE);
struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32, pad: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read> tap: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  if (at >= params.batch * params.in_h * params.channels) { return; }
  let c = at % params.channels;
  let line = at / params.channels;
  let h = line % params.in_h;
  let n = line / params.in_h;
  let top = h + params.pad;
  let last_i = top / STRIDE;
  let row = line * params.in_w;
  var sums: array<f32, WIDTH>;
  for (var j = 0u; j < params.out_w; j++) {
    for (var k = 0u; k < ROWS; k++) {
      // Windows above the first wrap to large numbers.
      let i = last_i - k;
      let tap_row = top - i * STRIDE;
      let inside = i < params.out_h && tap_row < KERNEL;
      let source = select(0u, ((n * params.out_h + i) * params.out_w + j) * params.channels + c, inside);
      let share = select(0.0, widen(dy[source]), inside);
      let chosen = tap[source] - tap_row * KERNEL;
      for (var q = 0u; q < KERNEL; q++) { sums[q] += select(0.0, share, chosen == q); }
    }
    for (var q = 0u; q < STRIDE; q++) {
      // Padding before the first pixel wraps to large numbers too.
      let w = j * STRIDE + q - params.pad;
      if (w < params.in_w) { dx[(row + w) * params.channels + c] = narrow(sums[q]); }
    }
    for (var q = 0u; q < WIDTH; q++) { sums[q] = select(0.0, sums[min(q + STRIDE, WIDTH - 1u)], q + STRIDE < WIDTH); }
  }
  for (var left = params.out_w * STRIDE; left < params.in_w + params.pad; left++) {
    if (left >= params.pad) { dx[(row + left - params.pad) * params.channels + c] = narrow(sums[0]); }
    for (var q = 0u; q < WIDTH; q++) { sums[q] = select(0.0, sums[min(q + 1u, WIDTH - 1u)], q + 1u < WIDTH); }
  }
}
