// y[n, i, j, c] = x[n, i / scale, j / scale, c], rounded down.
// i, j: output pixel; c: channel. `lanes` neighbouring invocations share out the channels of a pixel.
// Layout: x [lines, width, channels] Elem with lines = batch * height, y [lines * scale, width * scale, channels].
// Grid: any; every invocation takes a span of lines * scale * width * scale * lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params { lines: u32, width: u32, channels: u32, scale: u32, lanes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let out_width = params.width * params.scale;
  for (var id = span.first; id < params.lines * params.scale * out_width * params.lanes; id += span.stride) {
    let pixel = divide(id, params.lanes);
    let line = divide(pixel, out_width);
    let source = divide(line, params.scale) * params.width + divide(pixel - line * out_width, params.scale);
    for (var c = id - pixel * params.lanes; c < params.channels; c += params.lanes) {
      y[pixel * params.channels + c] = x[source * params.channels + c];
    }
  }
}
