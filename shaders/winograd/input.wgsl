// v[4a + b, tile, c] = (Bt d B)[a, b] of the 4x4 patch d of x under a 2x2 tile of a 3x3 convolution's output (Winograd's
// F(2x2, 3x3); Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
// tile = (image, i, j) of `images` images from first_image on; its patch begins at pixel (2i - pad_h, 2j - pad_w). c: channels.
// An invocation keeps a line of tiles and a channel and walks along j: neighbours share two of four columns.
// Layout: x NHWC, v [16, tiles, channels] f32. Grid: linear over images * tiles_h * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  images: u32, first_image: u32, height: u32, width: u32, channels: u32,
  tiles_h: u32, tiles_w: u32, pad_h: u32, pad_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;

fn pixel(base: u32, inside: bool) -> f32 { return select(0.0, widen(x[select(0u, base, inside)]), inside); }

// Four rows of one column, transformed along the column. `rows` holds their first elements.
fn column(rows: vec4<u32>, valid: vec4<bool>, at: u32) -> vec4<f32> {
  let w = at - params.pad_w;
  let step = w * params.channels;
  let inside = valid & vec4<bool>(w < params.width);
  let d = vec4<f32>(pixel(rows.x + step, inside.x), pixel(rows.y + step, inside.y), pixel(rows.z + step, inside.z), pixel(rows.w + step, inside.w));
  return vec4<f32>(d.x - d.z, d.y + d.z, d.z - d.y, d.y - d.w);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  if (at >= params.images * params.tiles_h * params.channels) { return; }
  let line = at / params.channels;
  let c = at - line * params.channels;
  let image = line / params.tiles_h;
  // Rows before the first wrap to large numbers, which are outside too.
  let rows = vec4<u32>(2u * (line - image * params.tiles_h) - params.pad_h) + vec4<u32>(0u, 1u, 2u, 3u);
  let valid = rows < vec4<u32>(params.height);
  let first = ((params.first_image + image) * params.height + rows) * (params.width * params.channels) + c;
  let plane = params.images * params.tiles_h * params.tiles_w * params.channels;
  var d0 = column(first, valid, 0u);
  var d1 = column(first, valid, 1u);
  for (var j = 0u; j < params.tiles_w; j++) {
    let d2 = column(first, valid, 2u * j + 2u);
    let d3 = column(first, valid, 2u * j + 3u);
    var to = (line * params.tiles_w + j) * params.channels + c;
    let v0 = d0 - d2;
    let v1 = d1 + d2;
    let v2 = d2 - d1;
    let v3 = d1 - d3;
    v[to] = v0.x;
    v[to + plane] = v1.x;
    v[to + 2u * plane] = v2.x;
    v[to + 3u * plane] = v3.x;
    v[to + 4u * plane] = v0.y;
    v[to + 5u * plane] = v1.y;
    v[to + 6u * plane] = v2.y;
    v[to + 7u * plane] = v3.y;
    v[to + 8u * plane] = v0.z;
    v[to + 9u * plane] = v1.z;
    v[to + 10u * plane] = v2.z;
    v[to + 11u * plane] = v3.z;
    v[to + 12u * plane] = v0.w;
    v[to + 13u * plane] = v1.w;
    v[to + 14u * plane] = v2.w;
    v[to + 15u * plane] = v3.w;
    d0 = d2;
    d1 = d3;
  }
}
