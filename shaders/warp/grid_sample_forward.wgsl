// y[n, i, j, c] = bilinear sample of x[n, :, :, c] at the normalised coordinates grid[n, i, j] = (x, y).
// i, j: output pixel; c: channel. `lanes` neighbouring invocations share out the channels of a pixel.
// Layout: x [batch, in_h, in_w, channels] Elem, grid [batch, pixels, 2] f32 with pixels = out_h * out_w,
// y [batch, pixels, channels] Elem. Grid: any; every invocation takes a span of batch * pixels * lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, in_h: u32, in_w: u32, channels: u32, pixels: u32, lanes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> grid: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var id = span.first; id < params.batch * params.pixels * params.lanes; id += span.stride) {
    let pixel = divide(id, params.lanes);
    let n = divide(pixel, params.pixels);
    let taps = taps_of(place_of(grid[2u * pixel], params.in_w), place_of(grid[2u * pixel + 1u], params.in_h), params.in_h, params.in_w);
    let source = (n * params.in_h * params.in_w + taps.pixel) * params.channels;
    for (var c = id - pixel * params.lanes; c < params.channels; c += params.lanes) {
      let values = vec4<f32>(widen(x[source.x + c]), widen(x[source.y + c]), widen(x[source.z + c]), widen(x[source.w + c]));
      y[pixel * params.channels + c] = narrow(dot(taps.weight, values));
    }
  }
}
