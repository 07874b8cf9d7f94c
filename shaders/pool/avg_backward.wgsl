// dx[n, h, w, c] = 1/kernel² times the sum of dy over the windows that hold the pixel, in the order of the windows.
// h, w: input pixel; c: channel. `lanes` neighbouring invocations share out the channels of a pixel.
// Layout as in pool/avg_forward. Grid: any; every invocation takes a span of batch * in_h * in_w * lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32,
  kernel: u32, stride: u32, pad: u32, lanes: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<Elem>;

// Windows [x, y) along an axis that hold a padded position.
fn windows(position: u32, count: u32) -> vec2<u32> {
  let first = select(0u, divide(position - params.kernel, params.stride) + 1u, position >= params.kernel);
  return vec2<u32>(first, min(divide(position, params.stride) + 1u, count));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let scale = 1.0 / f32(params.kernel * params.kernel);
  for (var id = span.first; id < params.batch * params.in_h * params.in_w * params.lanes; id += span.stride) {
    let pixel = divide(id, params.lanes);
    let line = divide(pixel, params.in_w);
    let w = pixel - line * params.in_w;
    let n = divide(line, params.in_h);
    let h = line - n * params.in_h;
    let rows = windows(h + params.pad, params.out_h);
    let columns = windows(w + params.pad, params.out_w);
    for (var c = id - pixel * params.lanes; c < params.channels; c += params.lanes) {
      var sum = 0.0;
      for (var i = rows.x; i < rows.y; i++) {
        var source = ((n * params.out_h + i) * params.out_w + columns.x) * params.channels + c;
        for (var j = columns.x; j < columns.y; j++) {
          sum += widen(dy[source]);
          source += params.channels;
        }
      }
      dx[pixel * params.channels + c] = narrow(sum * scale);
    }
  }
}
