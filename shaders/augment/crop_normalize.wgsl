// The crop of a person, as OpenCV's 8-bit warpAffine computes it (bilinear on a 1/32 px grid, black border), then
// normalised.
// n: sample; u, v: output pixel. Layout: pixels = bytes of all image windows, RGB interleaved, packed in words;
// windows [batch, 8] = byte offset, window x, y, width, height, image width, flip, swap red and blue;
// tables [batch, 2 * (height + width)] = fixed-point source coordinates: x by row, x by column, y by row, y by column
// (pose/affine.ts warpTables); y [batch, height, width, 3] Elem. Grid: x over height, y over batch: a workgroup is a row, so that
// the facts of window and row are the same for all of it.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, height: u32, width: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
@group(0) @binding(2) var<storage, read> windows: array<i32>;
@group(0) @binding(3) var<storage, read> tables: array<i32>;
@group(0) @binding(4) var<storage, read_write> y: array<Elem>;

// The word that holds a byte; both taps of a row lie in at most three.
fn word_at(index: i32) -> u32 { return pixels[u32(clamp(index, 0, i32(arrayLength(&pixels)) - 1))]; }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = group.y;
  let v = group.x;
  let l = n * 8u;
  let base = windows[l];
  let window_x = windows[l + 1u];
  let window_y = windows[l + 2u];
  let window_w = windows[l + 3u];
  let window_h = windows[l + 4u];
  let image_w = windows[l + 5u];
  let flip = windows[l + 6u] != 0;
  let swap = windows[l + 7u] != 0;
  let t = n * 2u * (params.height + params.width);
  let row_x = tables[t + v];
  let row_y = tables[t + params.height + params.width + v];

  for (var u = lane; u < params.width; u += WORKGROUP) {
    let fixed_x = (row_x + tables[t + params.height + u]) >> 5u;
    let fixed_y = (row_y + tables[t + 2u * params.height + params.width + u]) >> 5u;
    let x0 = fixed_x >> 5u;
    let y0 = fixed_y >> 5u;
    let fx = fixed_x & 31;
    let fy = fixed_y & 31;

    // The taps of a row are neighbours, mirrored or not: the left one's column in the window, and their weights.
    let left = select(x0, image_w - 2 - x0, flip) - window_x;
    let share = select(32 - fx, fx, flip);
    let left_weight = select(0u, u32(share), left >= 0 && left < window_w);
    let right_weight = select(0u, u32(32 - share), left >= -1 && left + 1 < window_w);

    var sum = vec3<u32>(512u); // a half: weights are 32 * 32 in all
    for (var dy = 0; dy < 2; dy++) {
      let row = y0 + dy - window_y;
      let inside = row >= 0 && row < window_h;
      let weight = u32(select(0, select(32 - fy, fy, dy == 1), inside));
      let at = base + 3 * (select(0, row, inside) * window_w + left); // outside of the window only where no tap has a weight
      let index = at >> 2u;
      let shift = u32(at & 3) * 8u;
      let back = 31u - shift; // and 1 more, for shifts by 32 are none
      let first = word_at(index);
      let middle = word_at(index + 1);
      let last = word_at(index + 2);
      let low = (first >> shift) | ((middle << back) << 1u);
      let high = (middle >> shift) | ((last << back) << 1u);
      let right = (low >> 24u) | (high << 8u);
      // 13 bits a channel: red and blue share a word.
      let red_blue = left_weight * (low & 0xff00ffu) + right_weight * (right & 0xff00ffu);
      let green = left_weight * ((low >> 8u) & 0xffu) + right_weight * ((right >> 8u) & 0xffu);
      sum += weight * vec3<u32>(red_blue & 0xffffu, green, red_blue >> 16u);
    }
    let grey = vec3<f32>(sum >> vec3<u32>(10u));
    let value = normalised(select(grey, grey.zyx, swap));
    let i = 3u * ((n * params.height + v) * params.width + u);
    y[i] = narrow(value.x);
    y[i + 1u] = narrow(value.y);
    y[i + 2u] = narrow(value.z);
  }
}
