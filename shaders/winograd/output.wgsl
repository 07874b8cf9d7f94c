// y[pixels of tile, c] = At m A of the 16 products m[4a + b, tile, c] (winograd/maps.wgsl); `epilogue` may add a bias.
// With ADD the results of a further phase are added to those of the phases before it.
// Layout: winograd/tiles.wgsl. Grid: linear over lines of tiles and channels.
const ADD: bool = false; // spec
@group(0) @binding(1) var<storage, read> m: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;

fn products(first: u32) -> vec4<f32> {
  return vec4<f32>(m[first], m[first + plane()], m[first + 2u * plane()], m[first + 3u * plane()]);
}

fn store_pixel(at: u32, channel: u32, value: f32) {
  if (ADD) { y[at] = narrow(widen(y[at]) + value); } else { y[at] = narrow(epilogue(channel, value)); }
}

fn store_column(line: Line, b: u32, values: vec4<f32>) {
  let w = column_of(b);
  if (w >= params.width) { return; }
  let at = line.rows + w * params.channels;
  if (line.valid.x) { store_pixel(at.x, line.channel, values.x); }
  if (line.valid.y) { store_pixel(at.y, line.channel, values.y); }
  if (SIDE == 3u && line.valid.z) { store_pixel(at.z, line.channel, values.z); }
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  if (at >= lines()) { return; }
  let line = line_of(at);
  for (var j = 0u; j < params.tiles_w; j++) {
    let place = line.tile + j * params.row;
    let sums = mat4x4<f32>(products(place), products(place + 4u * plane()), products(place + 8u * plane()), products(place + 12u * plane()));
    let pixels = collect(transpose(collect(sums)));
    store_column(line, SIDE * j, pixels[0]);
    store_column(line, SIDE * j + 1u, pixels[1]);
    if (SIDE == 3u) { store_column(line, SIDE * j + 2u, pixels[2]); }
  }
}
