// norm = s sqrt(sum of partials), factor = s min(1, limit / (norm + 1e-6)); a NaN stays one. s = gradient_scale, what undoes
// a loss scale, or 1; negative where the step is left out, which it stays.
// Layout: partials [count] f32, limit, gradient_scale, norm, factor one f32 each; the limit is data. Grid: one invocation.
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read> limit: array<f32>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;
@group(0) @binding(4) var<storage, read_write> factor: array<f32>;
@group(0) @binding(5) var<storage, read> gradient_scale: array<f32>;

@compute @workgroup_size(1)
fn main() {
  var sum = 0.0;
  for (var i = 0u; i < params.count; i++) { sum += partials[i]; }
  let scale = gradient_scale[0];
  let root = sqrt(sum) * abs(scale);
  let ratio = limit[0] / (root + 1e-6);
  norm[0] = root;
  factor[0] = select(select(ratio, 1.0, ratio > 1.0) * scale, scale, scale < 0.0);
}
