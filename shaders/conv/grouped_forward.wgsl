// y[n, i, j, q] = sum over a, b, c of x[n, i*stride - pad + a*dilation, j*stride - pad + b*dilation, g + c] w[a, b, c, q]
// (+ bias[q]), g the first channel of q's group. i, j: output pixel; a, b: taps; c: channels of the group.
// Layout: NHWC, weights [kernel_h, kernel_w, group_in, out_c]. An invocation makes four pixels along w with one load of a
// weight; its neighbours have the neighbouring q. Grid: any; a span of batch * out_h * ceil(out_w / 4) * out_c.
const WORKGROUP: u32 = 64u; // spec
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> w: array<Elem>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

fn x_load(at: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
  return select(vec4<f32>(), vec4<f32>(widen(x[at.x]), widen(x[at.y]), widen(x[at.z]), widen(x[at.w])), inside);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let strips = (params.out_w + 3u) / 4u;
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var at = span.first; at < params.batch * params.out_h * strips * params.out_c; at += span.stride) {
    let strip = divide(at, params.out_c);
    let q = at - strip * params.out_c;
    let line = divide(strip, strips);
    let j = (strip - line * strips) * 4u + vec4<u32>(0u, 1u, 2u, 3u);
    let n = divide(line, params.out_h);
    let top = i32((line - n * params.out_h) * params.stride_h) - i32(params.pad_h);
    let left = vec4<i32>(j * params.stride_w) - i32(params.pad_w);
    let g = divide(q, params.group_out) * params.group_in;
    var sums = vec4<f32>();
    var weight = q;
    for (var a = 0u; a < params.kernel_h; a++) {
      let row = top + i32(a * params.dilation_h);
      if (row < 0 || row >= i32(params.in_h)) {
        weight += params.kernel_w * params.group_in * params.out_c;
        continue;
      }
      let start = (n * params.in_h + u32(row)) * params.in_w;
      for (var b = 0u; b < params.kernel_w; b++) {
        let column = left + i32(b * params.dilation_w);
        let inside = (column >= vec4<i32>()) & (column < vec4<i32>(i32(params.in_w)));
        let source = (start + select(vec4<u32>(), vec4<u32>(column), inside)) * params.in_c + g;
        for (var c = 0u; c < params.group_in; c++) {
          sums = fma(vec4<f32>(widen(w[weight])), x_load(source + c, inside), sums);
          weight += params.out_c;
        }
      }
    }
    let place = (line * params.out_w + j) * params.out_c + q;
    y[place.x] = narrow(epilogue(q, sums.x));
    if (j.y < params.out_w) { y[place.y] = narrow(epilogue(q, sums.y)); }
    if (j.z < params.out_w) { y[place.z] = narrow(epilogue(q, sums.z)); }
    if (j.w < params.out_w) { y[place.w] = narrow(epilogue(q, sums.w)); }
  }
}
