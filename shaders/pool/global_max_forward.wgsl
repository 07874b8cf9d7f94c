// y[n, c] = max over p of x[n, p, c], and tap[n, c] = the first p that has it. A NaN wins and stays.
// p: pixel, `pixels` of them; c: channel. Layout: x [batch, pixels, channels] Elem, y [batch, channels] Elem, tap u32.
// Grid: any; every invocation takes a span of batch * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, pixels: u32, channels: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;
@group(0) @binding(3) var<storage, read_write> tap: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var at = span.first; at < params.batch * params.channels; at += span.stride) {
    let n = divide(at, params.channels);
    var source = n * params.pixels * params.channels + (at - n * params.channels);
    var best = widen(x[source]);
    var place = 0u;
    for (var p = 1u; p < params.pixels; p++) {
      source += params.channels;
      let value = widen(x[source]);
      if (!is_nan(best) && (value > best || is_nan(value))) {
        best = value;
        place = p;
      }
    }
    y[at] = narrow(best);
    tap[at] = place;
  }
}
