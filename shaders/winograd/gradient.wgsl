// v[4a + b, tile, c] = (A d At)[a, b] of the 2x2 patch d of an output's gradient: what meets the transformed patches of x in
// the gradient of the weights (F(2x2, 3x3), winograd/input.wgsl).
// tile = (image, i, j) of `images` images from first_image on, pixels (2i, 2j) to (2i + 1, 2j + 1), zero where there are none.
// An invocation keeps a line of tiles and a channel and walks along j.
// Layout: dy NHWC, v [16, tiles, channels] f32. Grid: linear over images * tiles_h * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  images: u32, first_image: u32, height: u32, width: u32, channels: u32,
  tiles_h: u32, tiles_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;

fn pixel(at: u32, inside: bool) -> f32 { return select(0.0, widen(dy[select(0u, at, inside)]), inside); }

fn store(first: u32, plane: u32, line: vec2<f32>) {
  v[first] = line.x;
  v[first + plane] = line.x + line.y;
  v[first + 2u * plane] = line.x - line.y;
  v[first + 3u * plane] = -line.y;
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
  let lower = h + 1u < params.height;
  let plane = params.images * params.tiles_h * params.tiles_w * params.channels;
  for (var j = 0u; j < params.tiles_w; j++) {
    let source = first + 2u * j * params.channels;
    let right = 2u * j + 1u < params.width;
    let d0 = vec2<f32>(pixel(source, true), pixel(source + params.channels, right));
    let d1 = vec2<f32>(pixel(source + row, lower), pixel(source + row + params.channels, lower && right));
    let to = (line * params.tiles_w + j) * params.channels + c;
    store(to, plane, d0);
    store(to + 4u * plane, plane, d0 + d1);
    store(to + 8u * plane, plane, d0 - d1);
    store(to + 12u * plane, plane, -d1);
  }
}
