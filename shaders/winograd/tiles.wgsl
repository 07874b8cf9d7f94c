// Where tiles lie, for the transforms between pixels, NHWC, and positions, [16, tiles, row] (winograd/maps.wgsl).
// tile = (image, i, j) of `images` images from first_image on; its pixel (a, b) is (origin_h + step * (SIDE * i + a),
// origin_w + step * (SIDE * j + b)). Pixels before the first wrap to large numbers, which are outside too.
// An invocation keeps a line of tiles and a channel and walks along j.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  images: u32, first_image: u32, height: u32, width: u32, channels: u32, // pixels
  step: u32, origin_h: u32, origin_w: u32,
  tiles_h: u32, tiles_w: u32,
  row: u32, first: u32, // positions: elements of a tile, and where those of the pixels' channels begin
}
@group(0) @binding(0) var<uniform> params: Params;

struct Line {
  channel: u32,
  rows: vec4<u32>,     // first element of each row of pixels
  valid: vec4<bool>,
  tile: u32,           // the first tile's element at position 0
}

fn line_of(at: u32) -> Line {
  let line = at / params.channels;
  let channel = at - line * params.channels;
  let image = line / params.tiles_h;
  let rows = params.origin_h + params.step * (SIDE * (line - image * params.tiles_h) + vec4<u32>(0u, 1u, 2u, 3u));
  let first = ((params.first_image + image) * params.height + rows) * (params.width * params.channels) + channel;
  return Line(channel, first, rows < vec4<u32>(params.height), line * params.tiles_w * params.row + params.first + channel);
}

fn lines() -> u32 { return params.images * params.tiles_h * params.channels; }

// Elements from one position to the next.
fn plane() -> u32 { return params.images * params.tiles_h * params.tiles_w * params.row; }

// Column of the pixels b behind the first tile's origin.
fn column_of(b: u32) -> u32 { return params.origin_w + params.step * b; }
