// Behind the backward passes: what the optimiser multiplies gradients by, and the loss scale of the next step.
// found: the step is left out (gradient_scale -1) and the scale backs off; else gradient_scale = 1 / scale, and after
// `interval` such steps in a row the scale grows. It stays a normal number of f32, and so does its inverse.
// Layout: state = scale, steps since it changed, steps left out; found [1], cleared; gradient_scale [1]. Grid: one invocation.
const LEAST: f32 = 1.1754943508222875e-38; // 2^-126
const MOST: f32 = 8.507059173023462e37; // 2^126
struct Params { growth: f32, backoff: f32, interval: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<storage, read_write> found: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradient_scale: array<f32>;

@compute @workgroup_size(1)
fn main() {
  let scale = state[0];
  if (found[0] != 0u) {
    gradient_scale[0] = -1.0;
    state[0] = max(scale * params.backoff, LEAST);
    state[1] = 0.0;
    state[2] += 1.0;
  } else {
    gradient_scale[0] = 1.0 / scale;
    let good = state[1] + 1.0;
    let grows = good >= params.interval;
    state[0] = select(scale, min(scale, MOST / params.growth) * params.growth, grows);
    state[1] = select(good, 0.0, grows);
  }
  found[0] = 0u;
}
