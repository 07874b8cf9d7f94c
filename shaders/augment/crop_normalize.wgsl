// The crop of a person, as OpenCV's 8-bit warpAffine computes it (bilinear on a 1/32 px grid, black border), then
// normalised.
// n: sample; u, v: output pixel. Layout: pixels = bytes of all image windows, RGB interleaved, packed in words;
// windows [batch, 8] = byte offset, window x, y, width, height, image width, flip, swap red and blue;
// tables [batch, 2 * (height + width)] = fixed-point source coordinates: x by row, x by column, y by row, y by column
// (pose/affine.ts warpTables); y [batch, height, width, 3] Elem. Grid: linear over batch * height * width.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, height: u32, width: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read> windows: array<i32>;
@group(0) @binding(3) var<storage, read> tables: array<i32>;
@group(0) @binding(4) var<storage, read_write> y: array<Elem>;

fn byte_at(index: u32) -> i32 { return i32((pixels[index >> 2u] >> ((index & 3u) * 8u)) & 255u); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.height * params.width) { return; }
  let u = i % params.width;
  let line = i / params.width;
  let v = line % params.height;
  let n = line / params.height;
  let t = n * 2u * (params.height + params.width);
  let fixed_x = (tables[t + v] + tables[t + params.height + u]) >> 5u;
  let fixed_y = (tables[t + params.height + params.width + v] + tables[t + 2u * params.height + params.width + u]) >> 5u;
  let x0 = fixed_x >> 5u;
  let y0 = fixed_y >> 5u;
  let fx = fixed_x & 31;
  let fy = fixed_y & 31;

  let l = n * 8u;
  let base = u32(windows[l]);
  let window_x = windows[l + 1u];
  let window_y = windows[l + 2u];
  let window_w = windows[l + 3u];
  let window_h = windows[l + 4u];
  let image_w = windows[l + 5u];
  let flip = windows[l + 6u] != 0;
  let swap = windows[l + 7u] != 0;

  var sum = vec3<i32>(0);
  for (var tap = 0; tap < 4; tap++) {
    let dx = tap & 1;
    let dy = tap >> 1u;
    let weight = select(32 - fx, fx, dx == 1) * select(32 - fy, fy, dy == 1) * 32;
    let column = select(x0 + dx, image_w - 1 - (x0 + dx), flip) - window_x;
    let row = y0 + dy - window_y;
    if (column >= 0 && row >= 0 && column < window_w && row < window_h) {
      let at = base + 3u * u32(row * window_w + column);
      sum += weight * vec3<i32>(byte_at(at), byte_at(at + 1u), byte_at(at + 2u));
    }
  }
  let grey = vec3<f32>((sum + 16384) >> vec3<u32>(15u));
  let ordered = select(grey, grey.zyx, swap);
  let value = normalised(ordered);
  y[3u * i] = narrow(value.x);
  y[3u * i + 1u] = narrow(value.y);
  y[3u * i + 2u] = narrow(value.z);
}
