// gradX[n, h, v, p] = sum over a, b, q of gradY[n, (h + pad - a*dilation) / stride, (v + pad - b*dilation) / stride, q]
// w[a, b, p - g, q], over the channels q of p's group and the taps whose quotients are whole and inside.
// h, v: pixel of x; a, b: taps; g: first channel of p's group.
// Layout: NHWC, weights [kernel_h, kernel_w, group_in, out_c]. An invocation makes four pixels along w with one load of a
// weight; its neighbours have the neighbouring p. Grid: any; a span of batch * in_h * ceil(in_w / 4) * in_c.
const WORKGROUP: u32 = 64u; // spec
@group(0) @binding(1) var<storage, read> grad_y: array<Elem>;
@group(0) @binding(2) var<storage, read> w: array<Elem>;
@group(0) @binding(3) var<storage, read_write> grad_x: array<Elem>;

// n / d where that is whole, -1 where it is not or n is negative; without integer division.
fn whole(n: vec4<i32>, d: u32) -> vec4<i32> {
  let q = vec4<i32>(round(vec4<f32>(n) / f32(d)));
  return select(vec4<i32>(-1), q, (q * i32(d) == n) & (n >= vec4<i32>()));
}

fn gradient_load(at: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
  return select(vec4<f32>(), vec4<f32>(widen(grad_y[at.x]), widen(grad_y[at.y]), widen(grad_y[at.z]), widen(grad_y[at.w])), inside);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let strips = (params.in_w + 3u) / 4u;
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var at = span.first; at < params.batch * params.in_h * strips * params.in_c; at += span.stride) {
    let strip = divide(at, params.in_c);
    let p = at - strip * params.in_c;
    let line = divide(strip, strips);
    let v = (strip - line * strips) * 4u + vec4<u32>(0u, 1u, 2u, 3u);
    let n = divide(line, params.in_h);
    let bottom = i32(line - n * params.in_h + params.pad_h);
    let right = vec4<i32>(v + params.pad_w);
    let g = divide(p, params.group_in);
    let first = g * params.group_out;
    var sums = vec4<f32>();
    for (var a = 0u; a < params.kernel_h; a++) {
      let i = whole(vec4<i32>(bottom - i32(a * params.dilation_h)), params.stride_h).x;
      if (i < 0 || i >= i32(params.out_h)) { continue; }
      let start = (n * params.out_h + u32(i)) * params.out_w;
      for (var b = 0u; b < params.kernel_w; b++) {
        let j = whole(right - i32(b * params.dilation_w), params.stride_w);
        let inside = (j >= vec4<i32>()) & (j < vec4<i32>(i32(params.out_w)));
        let source = (start + select(vec4<u32>(), vec4<u32>(j), inside)) * params.out_c + first;
        let weight = ((a * params.kernel_w + b) * params.group_in + p - g * params.group_in) * params.out_c + first;
        for (var q = 0u; q < params.group_out; q++) {
          sums = fma(vec4<f32>(widen(w[weight + q])), gradient_load(source + q, inside), sums);
        }
      }
    }
    let place = (line * params.in_w + v) * params.in_c + p;
    grad_x[place.x] = narrow(sums.x);
    if (v.y < params.in_w) { grad_x[place.y] = narrow(sums.y); }
    if (v.z < params.in_w) { grad_x[place.z] = narrow(sums.z); }
    if (v.w < params.in_w) { grad_x[place.w] = narrow(sums.w); }
  }
}
