// y = x with the patches of a run of steps, in one pass: a pixel is traced back from the last patch to the first. A box of
// zeros ends the way; one that shows another image goes on there, among the patches of earlier steps.
// n: sample; u, v: column, row. Layout: x, y [batch, height, width, channels] Elem, patches [batch, patches, 2] as in
// patches.wgsl, their steps in ascending order. Grid: linear over batch * height * width.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, height: u32, width: u32, channels: u32, patches: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> patches: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.height * params.width) { return; }
  var u = i32(i % params.width);
  let line = i / params.width;
  var v = i32(line % params.height);
  var n = line / params.height;
  var before = i32(params.patches);
  var hidden = false;
  for (var k = params.patches; k > 0u; k--) {
    let at = 2u * (n * params.patches + k - 1u);
    let box = patches[at];
    if (u < box.x || v < box.y || u >= box.z || v >= box.w) { continue; }
    let shown = patches[at + 1u];
    if (shown.w >= before) { continue; }
    if (shown.x < 0) {
      hidden = true;
      break;
    }
    n = u32(shown.x);
    u += shown.y;
    v += shown.z;
    before = shown.w;
  }
  let source = ((n * params.height + u32(v)) * params.width + u32(u)) * params.channels;
  for (var c = 0u; c < params.channels; c++) {
    y[i * params.channels + c] = narrow(select(widen(x[source + c]), 0.0, hidden));
  }
}
