// y[n, h, w, c] = x[n, h, width - 1 - w, c].
// h, w: pixel; c: channel. Layout: [lines, width, channels] Elem, lines = batch * height. Grid: linear over y.
const WORKGROUP: u32 = 64u; // spec
struct Params { lines: u32, width: u32, channels: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.lines * params.width * params.channels) { return; }
  let c = i % params.channels;
  let pixel = i / params.channels;
  let w = pixel % params.width;
  let line = pixel - w;
  y[i] = x[(line + params.width - 1u - w) * params.channels + c];
}
