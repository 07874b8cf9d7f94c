// u[4a + b, from, to] = (G g Gt)[a, b] of the 3x3 taps g from one channel to another (F(2x2, 3x3), winograd/input.wgsl).
// from: channels that the product contracts; to: channels that it produces.
// Layout: w [3, 3, from, to]; with REVERSED, for a gradient of the input, [3, 3, to, from] and taps in reverse.
// Each invocation keeps `to` and walks a run of RUN channels `from`. Grid: linear over ceil(from_c / RUN) * to_c.
const REVERSED: bool = false; // spec
const RUN: u32 = 16u; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { from_c: u32, to_c: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<f32>;

// Three taps of a line, transformed.
fn taps(first: u32, step: u32) -> vec4<f32> {
  let g = vec3<f32>(w[first], w[first + step], w[first + 2u * step]);
  return vec4<f32>(g.x, 0.5 * (g.x + g.y + g.z), 0.5 * (g.x - g.y + g.z), g.z);
}

fn store(first: u32, plane: u32, line: vec4<f32>) {
  u[first] = line.x;
  u[first + plane] = line.y;
  u[first + 2u * plane] = line.z;
  u[first + 3u * plane] = line.w;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  let run = at / params.to_c;
  let to = at - run * params.to_c;
  let plane = params.from_c * params.to_c;
  let end = min(run * RUN + RUN, params.from_c);
  for (var read_c = run * RUN; read_c < end; read_c++) {
    let to_place = read_c * params.to_c + to;
    // Taps in reverse: from the last on, one step back at a time (the step wraps around).
    let step = select(plane, 0u - plane, REVERSED);
    let first = select(to_place, to * params.from_c + read_c + 8u * plane, REVERSED);
    let g0 = taps(first, step);
    let g1 = taps(first + 3u * step, step);
    let g2 = taps(first + 6u * step, step);
    store(to_place, plane, g0);
    store(to_place + 4u * plane, plane, 0.5 * (g0 + g1 + g2));
    store(to_place + 8u * plane, plane, 0.5 * (g0 - g1 + g2));
    store(to_place + 12u * plane, plane, g2);
  }
}
