// AC-Loss of heatmaps: scale v W(p, g) (p - g)^2 in partial sums and, with STORE, its gradient, in one pass.
// f = |1 - p| at a centre (g = 1), |p| on background (g = 0), |q - p| q elsewhere with q = g^exponent; d = |p - g|; both
// limited to 1, without RAW; W = f + (1 - f) d, a constant for the gradient with DETACHED. v: mask of the pixel (MASKED)
// times the square of the joint's weight (WEIGHTED). n: sample; chunk: every chunks-th pixel of it; j: joint.
// Layout: p, g, gradient [batch, pixels, joints], mask [batch, pixels], weight [batch, joints], exponent one f32, partials
// [batch, chunks, joints]. Grid: any; every invocation takes a span of batch * chunks * joints.
const STORE: bool = false; // spec
const MASKED: bool = false; // spec
const WEIGHTED: bool = false; // spec
const DETACHED: bool = false; // spec
const RAW: bool = false; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, pixels: u32, joints: u32, chunks: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read> target_map: array<f32>;
@group(0) @binding(3) var<storage, read> exponent: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read> weight: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(7) var<storage, read_write> partials: array<f32>;

// Loss of one pixel and its derivative by p.
fn pixel_loss(p: f32, g: f32, delta: f32) -> vec2<f32> {
  let error = p - g;
  var d = abs(error);
  var d_slope = sign(error);
  var f = d;
  var f_slope = d_slope;
  if (g != 0.0 && g != 1.0) {
    let q = pow(g, delta);
    f = abs(q - p) * q;
    f_slope = q * sign(p - q);
  }
  if (!RAW && f > 1.0) {
    f = 1.0;
    f_slope = 0.0;
  }
  if (!RAW && d > 1.0) {
    d = 1.0;
    d_slope = 0.0;
  }
  let pixel_weight = f + (1.0 - f) * d;
  var slope = 2.0 * error * pixel_weight;
  if (!DETACHED) { slope += error * error * (f_slope * (1.0 - d) + (1.0 - f) * d_slope); }
  return vec2<f32>(pixel_weight * error * error, slope);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let delta = exponent[0];
  for (var i = span.first; i < params.batch * params.chunks * params.joints; i += span.stride) {
    let part = divide(i, params.joints);
    let joint = i - part * params.joints;
    let n = divide(part, params.chunks);
    let chunk = part - n * params.chunks;
    var joint_factor = 1.0;
    if (WEIGHTED) {
      let w = weight[n * params.joints + joint];
      joint_factor = w * w;
    }
    var sum = 0.0;
    var at = (n * params.pixels + chunk) * params.joints + joint;
    for (var pixel = chunk; pixel < params.pixels; pixel += params.chunks) {
      var factor = joint_factor;
      if (MASKED) { factor *= mask[n * params.pixels + pixel]; }
      let own = pixel_loss(prediction[at], target_map[at], delta);
      sum = fma(factor, own.x, sum);
      if (STORE) { gradient[at] = params.scale * factor * own.y; }
      at += params.chunks * params.joints;
    }
    partials[i] = sum;
  }
}
