// Losses of a prediction x and a target t, element by element: value and derivatives of row KIND (src/kernels/pointwise_loss.ts).
// 0: (x - t)^2. 1: |x - t|. 2: (x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta / 2.
// 3: max(x, 0) - x t + log(1 + e^-|x|), the cross entropy of sigmoid(x), without overflow.
const KIND: u32 = 0u; // spec

fn loss_value(x: f32, t: f32, beta: f32) -> f32 {
  let d = x - t;
  switch KIND {
    case 1u { return abs(d); }
    case 2u {
      let a = abs(d);
      return select(a - 0.5 * beta, 0.5 * d * d / beta, a < beta);
    }
    case 3u { return max(x, 0.0) - x * t + log_one_plus(exp(-abs(x))); }
    default { return d * d; }
  }
}

// Derivative by x; at the kinks of 1 it is 0.
fn loss_slope(x: f32, t: f32, beta: f32) -> f32 {
  let d = x - t;
  switch KIND {
    case 1u { return sign(d); }
    case 2u { return select(sign(d), d / beta, abs(d) < beta); }
    case 3u { return logistic(x) - t; }
    default { return 2.0 * d; }
  }
}

// Derivative by t.
fn target_slope(x: f32, t: f32, beta: f32) -> f32 {
  if (KIND == 3u) { return -x; }
  return -loss_slope(x, t, beta);
}
