// Variance of the gradient: mean square less the square of the mean a = alpha a + (1 - alpha) g (Graves 2013). Rounding
// may take it below 0, where a root would be NaN. Layout: average [count] f32.
@group(0) @binding(6) var<storage, read_write> average: array<f32>;
fn spread(i: u32, square: f32, gradient: f32) -> f32 {
  let value = params.alpha * average[i] + params.rest * gradient;
  average[i] = value;
  let difference = square - value * value;
  return select(difference, 0.0, difference < 0.0);
}
