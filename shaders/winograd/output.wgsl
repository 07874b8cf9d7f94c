// y[2x2 pixels of tile, c] = At m A of the 16 products m[4a + b, tile, c] (F(2x2, 3x3), winograd/input.wgsl).
// tile = (image, i, j) of `images` images from first_image on, pixels (2i, 2j) to (2i + 1, 2j + 1), where they exist.
// An invocation keeps a line of tiles and a channel and walks along j; `epilogue` may add a bias.
// Layout: m [16, tiles, channels] f32, y NHWC. Grid: linear over images * tiles_h * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  images: u32, first_image: u32, height: u32, width: u32, channels: u32,
  tiles_h: u32, tiles_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> m: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;

// Products of one a, for the two rows of the tile: At along the other axis.
fn pair(first: u32, plane: u32) -> vec2<f32> {
  let b = vec4<f32>(m[first], m[first + plane], m[first + 2u * plane], m[first + 3u * plane]);
  return vec2<f32>(b.x + b.y + b.z, b.y - b.z - b.w);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  if (at >= params.images * params.tiles_h * params.channels) { return; }
  let line = at / params.channels;
  let c = at - line * params.channels;
  let image = line / params.tiles_h;
  let h = 2u * (line - image * params.tiles_h);
  let row = params.width * params.channels;
  let first = ((params.first_image + image) * params.height + h) * row + c;
  let plane = params.images * params.tiles_h * params.tiles_w * params.channels;
  for (var j = 0u; j < params.tiles_w; j++) {
    let source = (line * params.tiles_w + j) * params.channels + c;
    let m0 = pair(source, plane);
    let m1 = pair(source + 4u * plane, plane);
    let m2 = pair(source + 8u * plane, plane);
    let m3 = pair(source + 12u * plane, plane);
    let upper = m0 + m1 + m2;
    let lower = m1 - m2 - m3;
    let to = first + 2u * j * params.channels;
    let right = 2u * j + 1u < params.width;
    y[to] = narrow(epilogue(c, upper.x));
    if (right) { y[to + params.channels] = narrow(epilogue(c, upper.y)); }
    if (h + 1u < params.height) {
      y[to + row] = narrow(epilogue(c, lower.x));
      if (right) { y[to + row + params.channels] = narrow(epilogue(c, lower.y)); }
    }
  }
}
