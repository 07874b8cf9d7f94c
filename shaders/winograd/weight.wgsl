// v[4a + b, first + from, to] = (G g Gt)[a, b] of the taps g of one phase from one channel to another (winograd/maps.wgsl).
// from: channels that the product contracts; to: channels that it produces; tap (i, j) of g is tap + i * step_h + j * step_w of w.
// Layout: w [taps, from, to], or [taps, to, from] with SWAPPED; v [16, rows, to].
// Each invocation keeps `to` and walks a run of RUN channels `from`. Grid: linear over ceil(from_c / RUN) * to_c.
const SWAPPED: bool = false; // spec
const RUN: u32 = 16u; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { from_c: u32, to_c: u32, rows: u32, first: u32, tap: u32, step_h: u32, step_w: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;

// Taps of one column; steps may be negative, by wrapping around.
fn taps(first: u32, step: u32) -> vec4<f32> {
  var g = vec4<f32>(w[first], w[first + step], 0.0, 0.0);
  if (SIDE == 3u) { g.z = w[first + 2u * step]; }
  return g;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  let run = at / params.to_c;
  let to = at - run * params.to_c;
  let pairs = params.from_c * params.to_c;
  let end = min(run * RUN + RUN, params.from_c);
  for (var from_c = run * RUN; from_c < end; from_c++) {
    let first = params.tap * pairs + select(from_c * params.to_c + to, to * params.from_c + from_c, SWAPPED);
    var g = mat4x4<f32>();
    g[0] = taps(first, params.step_h * pairs);
    g[1] = taps(first + params.step_w * pairs, params.step_h * pairs);
    if (SIDE == 3u) { g[2] = taps(first + 2u * params.step_w * pairs, params.step_h * pairs); }
    store((params.first + from_c) * params.to_c + to, params.rows * params.to_c, halve(spread(transpose(spread(g)))));
  }
}
