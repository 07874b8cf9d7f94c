// dx[n, h, w, c] = sum of dy over the scale * scale output pixels that read the pixel, row by row.
// h, w: input pixel; c: channel. `lanes` neighbouring invocations share out the channels of a pixel.
// Layout as in resample/nearest_forward. Grid: any; every invocation takes a span of lines * width * lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params { lines: u32, width: u32, channels: u32, scale: u32, lanes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let out_width = params.width * params.scale;
  for (var id = span.first; id < params.lines * params.width * params.lanes; id += span.stride) {
    let pixel = divide(id, params.lanes);
    let line = divide(pixel, params.width);
    let first = line * params.scale * out_width + (pixel - line * params.width) * params.scale;
    for (var c = id - pixel * params.lanes; c < params.channels; c += params.lanes) {
      var sum = 0.0;
      for (var i = 0u; i < params.scale; i++) {
        var source = (first + i * out_width) * params.channels + c;
        for (var j = 0u; j < params.scale; j++) {
          sum += widen(dy[source]);
          source += params.channels;
        }
      }
      dx[pixel * params.channels + c] = narrow(sum);
    }
  }
}
