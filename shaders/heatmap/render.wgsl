// target[n, v, u, joint] = exp(-((u - mu_x)^2 + (v - mu_y)^2) / (2 sigma^2)) in a window of 3 sigma around the quantised
// centre mu = trunc(joint / stride + 0.5), peak 1, else 0; weight = visibility, 0 where the window misses the map.
// n: sample; u, v: heatmap pixel; joint. Layout: joints [batch, count, 2] input px, visible [batch, count],
// target [batch, height, width, count], weight [batch, count]. Grid: linear over batch * height * count (one map row each).
const WORKGROUP: u32 = 64u; // spec
struct Params {
  batch: u32, width: u32, height: u32, count: u32,
  stride_x: f32, stride_y: f32, sigma: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> joints: array<f32>;
@group(0) @binding(2) var<storage, read> visible: array<f32>;
@group(0) @binding(3) var<storage, read_write> target_map: array<f32>;
@group(0) @binding(4) var<storage, read_write> weight: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.batch * params.height * params.count) { return; }
  let joint = i % params.count;
  let line = i / params.count;
  let v = i32(line % params.height);
  let n = line / params.height;
  let source = n * params.count + joint;

  let reach = params.sigma * 3.0;
  let mu_x = trunc(joints[2u * source] / params.stride_x + 0.5);
  let mu_y = trunc(joints[2u * source + 1u] / params.stride_y + 0.5);
  // Upper left corner inside, lower right corner outside, both truncated towards zero as the source systems do.
  let left = i32(mu_x - reach);
  let top = i32(mu_y - reach);
  let right = i32(mu_x + reach + 1.0);
  let bottom = i32(mu_y + reach + 1.0);
  let missed = left >= i32(params.width) || top >= i32(params.height) || right < 0 || bottom < 0;
  let shown = select(visible[source], 0.0, missed);
  if (v == 0) { weight[source] = shown; }

  // The patch has side 2*reach + 1 and its peak in the middle, wherever the truncated corner put it.
  let middle = i32(floor(2.0 * reach + 1.0)) / 2;
  let dy = f32(v - top - middle);
  let inside = shown > 0.5 && v >= top && v < bottom;
  let scale = -0.5 / (params.sigma * params.sigma);
  var at = (line * params.width) * params.count + joint;
  for (var u = 0; u < i32(params.width); u++) {
    let dx = f32(u - left - middle);
    let value = exp((dx * dx + dy * dy) * scale);
    target_map[at] = select(0.0, value, inside && u >= left && u < right);
    at += params.count;
  }
}
