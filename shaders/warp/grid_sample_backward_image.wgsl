// accumulators[n, tap, c] += weight of the tap times dy[n, i, j, c], in fixed point: the samples scatter to what they read.
// i, j: output pixel; c: channel. `lanes` neighbouring invocations share out the channels of a pixel.
// Layout: grid and dy as in warp/grid_sample_forward, bound the largest |dy|, accumulators [batch, in_h, in_w, channels, WORDS]
// i32 that are 0 before. Grid: any; every invocation takes a span of batch * pixels * lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, in_h: u32, in_w: u32, channels: u32, pixels: u32, lanes: u32, first_cell: u32, cells: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read> grid: array<f32>;
@group(0) @binding(3) var<storage, read> bound: array<u32>;
@group(0) @binding(4) var<storage, read_write> accumulators: array<atomic<i32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let scale = to_fixed(bound[0]);
  for (var id = span.first; id < params.batch * params.pixels * params.lanes; id += span.stride) {
    let pixel = divide(id, params.lanes);
    let n = divide(pixel, params.pixels);
    let taps = taps_of(place_of(grid[2u * pixel], params.in_w), place_of(grid[2u * pixel + 1u], params.in_h), params.in_h, params.in_w);
    let cell = (n * params.in_h * params.in_w + taps.pixel) * params.channels;
    for (var c = id - pixel * params.lanes; c < params.channels; c += params.lanes) {
      let contribution = taps.weight * widen(dy[pixel * params.channels + c]);
      if (taps.inside.x) { add_fixed(cell.x + c, contribution.x, scale); }
      if (taps.inside.y) { add_fixed(cell.y + c, contribution.y, scale); }
      if (taps.inside.z) { add_fixed(cell.z + c, contribution.z, scale); }
      if (taps.inside.w) { add_fixed(cell.w + c, contribution.w, scale); }
    }
  }
}
