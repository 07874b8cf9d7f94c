// dgrid[n, i, j] = sum over c of dy[n, i, j, c] times the slope of the sample along x and along y, in ascending c.
// i, j: output pixel; c: channel. Layout as in warp/grid_sample_forward; dgrid like grid.
// Grid: any; every invocation takes a span of batch * pixels.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, in_h: u32, in_w: u32, channels: u32, pixels: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> grid: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<Elem>;
@group(0) @binding(4) var<storage, read_write> dgrid: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var pixel = span.first; pixel < params.batch * params.pixels; pixel += span.stride) {
    let n = divide(pixel, params.pixels);
    let place_x = place_of(grid[2u * pixel], params.in_w);
    let place_y = place_of(grid[2u * pixel + 1u], params.in_h);
    let taps = taps_of(place_x, place_y, params.in_h, params.in_w);
    let source = (n * params.in_h * params.in_w + taps.pixel) * params.channels;
    var along = vec2<f32>(0.0);
    for (var c = 0u; c < params.channels; c++) {
      let read = vec4<f32>(widen(x[source.x + c]), widen(x[source.y + c]), widen(x[source.z + c]), widen(x[source.w + c]));
      let values = select(vec4<f32>(0.0), read, taps.inside);
      let across = mix(values.xy, values.zw, place_y.share); // the columns left and right, at the sample's height
      let down = mix(values.xz, values.yw, place_x.share); // the rows above and below, at the sample's column
      along += widen(dy[pixel * params.channels + c]) * vec2<f32>(across.y - across.x, down.y - down.x);
    }
    dgrid[2u * pixel] = along.x * place_x.slope;
    dgrid[2u * pixel + 1u] = along.y * place_y.slope;
  }
}
