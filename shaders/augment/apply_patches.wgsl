// y = x with the patches of a run of steps, in one pass: a pixel is traced back from the last patch to the first. A box of
// zeros ends the way; one that shows another image goes on there, among the patches of earlier steps.
// n: sample; u, v: column, row. Layout: x, y [batch, height, width, channels] Elem, patches [batch, patches, 2] as in
// patches.wgsl, their steps in ascending order. Grid: any; invocations take rows, `lanes` of them share one.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, height: u32, width: u32, channels: u32, patches: u32, lanes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> patches: array<vec4<i32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

// Where a pixel's value is in x, or -1 for zero; only patches first .. last - 1 of its own sample lie on its row.
fn traced(sample: u32, place: vec2<i32>, first: u32, last: u32) -> i32 {
  var n = sample;
  var at = place;
  var end = first;
  var before = i32(params.patches);
  for (var k = last; k > end; k--) {
    let entry = 2u * (n * params.patches + k - 1u);
    let box = patches[entry];
    if (any(at < box.xy) || any(at >= box.zw)) { continue; }
    let shown = patches[entry + 1u];
    if (shown.w >= before) { continue; }
    if (shown.x < 0) { return -1; }
    n = u32(shown.x);
    at += shown.yz;
    before = shown.w;
    end = 0u;
  }
  return i32(((n * params.height + u32(at.y)) * params.width + u32(at.x)) * params.channels);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var id = span.first; id < params.batch * params.height * params.lanes; id += span.stride) {
    let row = divide(id, params.lanes);
    let n = divide(row, params.height);
    let v = i32(row - n * params.height);
    var first = params.patches;
    var last = 0u;
    for (var k = 0u; k < params.patches; k++) {
      let box = patches[2u * (n * params.patches + k)];
      if (v < box.y || v >= box.w) { continue; }
      first = min(first, k);
      last = k + 1u;
    }
    for (var u = id - row * params.lanes; u < params.width; u += params.lanes) {
      let source = traced(n, vec2<i32>(i32(u), v), first, last);
      let out = (row * params.width + u) * params.channels;
      for (var c = 0u; c < params.channels; c++) {
        y[out + c] = narrow(select(widen(x[u32(max(source, 0)) + c]), 0.0, source < 0));
      }
    }
  }
}
