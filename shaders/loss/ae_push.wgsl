// How two persons' mean tags push each other apart, and the derivative by their difference: e^-(d^2), with HINGE max(0, 1 - |d|).
const HINGE: bool = false; // spec
fn push(d: f32) -> f32 {
  if (HINGE) { return max(0.0, 1.0 - abs(d)); }
  return exp(-d * d);
}
fn push_slope(d: f32) -> f32 {
  if (HINGE) { return select(0.0, -sign(d), abs(d) < 1.0); }
  return -2.0 * d * exp(-d * d);
}
