// y = x with zeros inside every box [x0, y0, x1, y1) of its sample; zero is the mean colour of a normalised image.
// n: sample; pixel. Layout: x, y [batch, height, width, channels] Elem, boxes [batch, holes, 4].
// Grid: linear over batch * height * width.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, height: u32, width: u32, channels: u32, holes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> boxes: array<i32>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.height * params.width) { return; }
  let u = i32(i % params.width);
  let line = i / params.width;
  let v = i32(line % params.height);
  let n = line / params.height;
  var hidden = false;
  for (var k = 0u; k < params.holes; k++) {
    let b = 4u * (n * params.holes + k);
    hidden = hidden || (u >= boxes[b] && v >= boxes[b + 1u] && u < boxes[b + 2u] && v < boxes[b + 3u]);
  }
  for (var c = 0u; c < params.channels; c++) {
    let at = i * params.channels + c;
    y[at] = narrow(select(widen(x[at]), 0.0, hidden));
  }
}
