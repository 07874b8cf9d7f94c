// partials[t, a, b, c, q] = sum over the output pixels (n, i, j) of chunk t of
// x[n, i*stride - pad + a*dilation, j*stride - pad + b*dilation, g + c] gradY[n, i, j, q], g the first channel of q's group.
// a, b: taps; c: channels of a group; t: an even share of the pixels in their order, so that the bits are fixed.
// Layout: NHWC, partials [chunks, kernel_h, kernel_w, group_in, out_c] f32, summed by reduce/sum_slices.wgsl.
// Grid: any; a span of all partials.
const WORKGROUP: u32 = 64u; // spec
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> grad_y: array<Elem>;
@group(0) @binding(3) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let weights = params.kernel_h * params.kernel_w * params.group_in * params.out_c;
  let pixels = params.batch * params.out_h * params.out_w;
  let share = (pixels + params.chunks - 1u) / params.chunks;
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var at = span.first; at < params.chunks * weights; at += span.stride) {
    let t = divide(at, weights);
    let own = at - t * weights;
    let inner = divide(own, params.out_c);
    let q = own - inner * params.out_c;
    let tap = divide(inner, params.group_in);
    let a = divide(tap, params.kernel_w);
    let channel = divide(q, params.group_out) * params.group_in + inner - tap * params.group_in;
    let down = i32(a * params.dilation_h) - i32(params.pad_h);
    let across = i32((tap - a * params.kernel_w) * params.dilation_w) - i32(params.pad_w);
    // Columns j whose j*stride + across is inside: [first, last).
    let first = divide(u32(max(0, -across)) + params.stride_w - 1u, params.stride_w);
    let last = divide(u32(max(0, i32(params.in_w) - across)) + params.stride_w - 1u, params.stride_w);
    let end = min((t + 1u) * share, pixels);
    var pixel = t * share;
    var sum = 0.0;
    while (pixel < end) {
      // What the chunk has of one output row.
      let line = divide(pixel, params.out_w);
      let start = pixel - line * params.out_w;
      let stop = min(params.out_w, start + end - pixel);
      let n = divide(line, params.out_h);
      let row = i32((line - n * params.out_h) * params.stride_h) + down;
      if (row >= 0 && row < i32(params.in_h)) {
        let begin = max(start, first);
        let step = params.stride_w * params.in_c;
        var source = u32(i32((n * params.in_h + u32(row)) * params.in_w) + across) * params.in_c + begin * step + channel;
        var gradient = (line * params.out_w + begin) * params.out_c + q;
        for (var j = begin; j < min(stop, last); j++) {
          sum = fma(widen(x[source]), widen(grad_y[gradient]), sum);
          source += step;
          gradient += params.out_c;
        }
      }
      pixel += stop - start;
    }
    partials[at] = sum;
  }
}
