// b = momentum b + step. Layout: velocity [count] f32.
@group(0) @binding(7) var<storage, read_write> velocity: array<f32>;
fn velocity_of(i: u32, step: f32) -> f32 {
  let value = params.momentum * velocity[i] + step;
  velocity[i] = value;
  return value;
}
