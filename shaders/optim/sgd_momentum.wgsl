// b = momentum b + z g; the direction is b, with NESTEROV g + momentum b (Sutskever et al. 2013). Layout: velocity [count] f32.
const NESTEROV: bool = false; // spec
@group(0) @binding(5) var<storage, read_write> velocity: array<f32>;
fn direction(i: u32, gradient: f32, undamped: f32) -> f32 {
  let value = params.momentum * velocity[i] + undamped * gradient;
  velocity[i] = value;
  return select(value, gradient + params.momentum * value, NESTEROV);
}
