// dx[n, p, c] = dy[n, c] where tap[n, c] is p, else 0.
// p: pixel, `pixels` of them; c: channel. `lanes` neighbouring invocations share out the channels of a pixel.
// Layout as in pool/global_max_forward. Grid: any; every invocation takes a span of batch * pixels * lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, pixels: u32, channels: u32, lanes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read> tap: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var id = span.first; id < params.batch * params.pixels * params.lanes; id += span.stride) {
    let pixel = divide(id, params.lanes);
    let n = divide(pixel, params.pixels);
    let p = pixel - n * params.pixels;
    for (var c = id - pixel * params.lanes; c < params.channels; c += params.lanes) {
      let source = n * params.channels + c;
      dx[pixel * params.channels + c] = select(Elem(0.0), dy[source], tap[source] == p);
    }
  }
}
