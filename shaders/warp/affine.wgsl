// y[n, p] = x[n, theta_n p] by bilinear sampling with zeros outside, in normalised coordinates (align_corners = false):
// pixel i of a side of n pixels is at (2i + centre)/n - 1, centre 1 for pixels. Every tap outside counts as zero by itself.
// n: sample; p: output pixel; channels are looped. Layout: x, y [batch, height, width, channels] Elem, theta [batch, 6]
// row-major. Grid: linear over batch * height * width.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, height: u32, width: u32, channels: u32, centre: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> theta: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

fn inside(v: i32, u: i32) -> bool { return u >= 0 && v >= 0 && u < i32(params.width) && v < i32(params.height); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.height * params.width) { return; }
  let j = i % params.width;
  let line = i / params.width;
  let row = line % params.height;
  let n = line / params.height;
  let size = vec2<f32>(f32(params.width), f32(params.height));
  let p = (2.0 * vec2<f32>(f32(j), f32(row)) + params.centre) / size - 1.0;
  let t = 6u * n;
  let q = vec2<f32>(theta[t] * p.x + theta[t + 1u] * p.y + theta[t + 2u], theta[t + 3u] * p.x + theta[t + 4u] * p.y + theta[t + 5u]);
  // Far outside is outside: the clamp keeps the conversion to integers defined.
  let source = clamp(((q + 1.0) * size - params.centre) * 0.5, vec2<f32>(-2.0), size + 1.0);
  let corner = floor(source);
  let f = source - corner;
  let u = i32(corner.x);
  let v = i32(corner.y);
  let w00 = select(0.0, (1.0 - f.x) * (1.0 - f.y), inside(v, u));
  let w01 = select(0.0, f.x * (1.0 - f.y), inside(v, u + 1));
  let w10 = select(0.0, (1.0 - f.x) * f.y, inside(v + 1, u));
  let w11 = select(0.0, f.x * f.y, inside(v + 1, u + 1));
  let last_u = i32(params.width) - 1;
  let last_v = i32(params.height) - 1;
  let u0 = u32(clamp(u, 0, last_u));
  let u1 = u32(clamp(u + 1, 0, last_u));
  let v0 = (n * params.height + u32(clamp(v, 0, last_v))) * params.width;
  let v1 = (n * params.height + u32(clamp(v + 1, 0, last_v))) * params.width;
  let a00 = (v0 + u0) * params.channels;
  let a01 = (v0 + u1) * params.channels;
  let a10 = (v1 + u0) * params.channels;
  let a11 = (v1 + u1) * params.channels;
  let out = i * params.channels;
  for (var c = 0u; c < params.channels; c++) {
    y[out + c] = narrow(w00 * widen(x[a00 + c]) + w01 * widen(x[a01 + c]) + w10 * widen(x[a10 + c]) + w11 * widen(x[a11 + c]));
  }
}
