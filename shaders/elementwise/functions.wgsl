// The rows of the elementwise table, src/kernels/map.ts: value of function OP for operands a, b, c.
// p, q: attributes (slope of leakyRelu; limits of clamp).
const OP: u32 = 0u; // spec

// WGSL's pow knows no negative base: an integer exponent keeps its sign rule, any other gives NaN as pow does.
fn power(a: f32, b: f32) -> f32 {
  if (b == 0.0) { return 1.0; }
  if (b == 1.0) { return a; }
  if (b == 2.0) { return a * a; }
  let magnitude = pow(abs(a), b);
  if (a >= 0.0 || b != floor(b)) { return select(pow(a, b), magnitude, a >= 0.0); }
  return select(magnitude, -magnitude, floor(b * 0.5) * 2.0 != b);
}

// Minimum and maximum that a NaN passes, as PyTorch's do; built in ones may drop it.
fn lesser(a: f32, b: f32) -> f32 { return select(b, a, is_nan(a) || (!is_nan(b) && a < b)); }
fn greater(a: f32, b: f32) -> f32 { return select(b, a, is_nan(a) || (!is_nan(b) && a > b)); }

fn logistic(a: f32) -> f32 {
  let e = exp(-abs(a));
  return select(e, 1.0, a >= 0.0) / (1.0 + e);
}

// log(1 + u) for u in [0, 1]: drivers' logarithms are coarse next to 1, where a series is exact to f32.
fn log_one_plus(u: f32) -> f32 {
  let series = u * (1.0 + u * (-1.0 / 2.0 + u * (1.0 / 3.0 + u * (-1.0 / 4.0 + u * (1.0 / 5.0)))));
  return select(log(1.0 + u), series, u < 0.02);
}

fn hyperbolic_tangent(a: f32) -> f32 {
  let square = a * a;
  // Below 0.25 the difference of exponentials would cancel; four terms of the series are exact to f32 there.
  let series = a * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 + square * (-17.0 / 315.0 + square * (62.0 / 2835.0)))));
  let e = exp(-2.0 * abs(a));
  return select(sign(a) * (1.0 - e) / (1.0 + e), series, abs(a) < 0.25);
}

// Drivers may be off by 5e-4 in sin and cos. Here: x less the nearest multiple of pi/2, in three parts that f32 holds
// exactly, then the polynomials of Cephes (Moshier); good to f32 up to some thousand radians.
fn sine_quadrant(x: f32, turn: i32) -> f32 {
  let k = round(x * 0.6366197723675814);
  let r = fma(k, -7.54978995489188216e-8, fma(k, -4.837512969970703125e-4, fma(k, -1.5703125, x)));
  let z = r * r;
  let sine = fma(r * z, -1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4), r);
  let cosine = fma(z * z, 4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5), 1.0 - 0.5 * z);
  let quadrant = (i32(k) + turn) & 3;
  let value = select(sine, cosine, (quadrant & 1) == 1);
  return select(value, -value, quadrant >= 2);
}

// Minus infinity at zero, which drivers need not give.
fn logarithm(a: f32) -> f32 {
  return select(log(a), -1.0 / abs(a), a == 0.0);
}

fn function_value(a: f32, b: f32, c: f32, p: f32, q: f32) -> f32 {
  switch OP {
    case 0u { return a; }
    case 1u { return a + b; }
    case 2u { return a - b; }
    case 3u { return a * b; }
    case 4u { return a / b; }
    case 5u { return power(a, b); }
    case 6u { return lesser(a, b); }
    case 7u { return greater(a, b); }
    case 8u { return -a; }
    case 9u { return sqrt(a); }
    case 10u { return inverseSqrt(a); }
    case 11u { return exp(a); }
    case 12u { return logarithm(a); }
    case 13u { return abs(a); }
    case 14u { return sign(a); }
    case 15u { return sine_quadrant(a, 0); }
    case 16u { return sine_quadrant(a, 1); }
    case 17u { return hyperbolic_tangent(a); }
    case 18u { return logistic(a); }
    case 19u { return select(a, 0.0, a <= 0.0); }
    case 20u { return select(a, p * a, a < 0.0); }
    case 21u { return max(a, 0.0) + log_one_plus(exp(-abs(a))); }
    case 22u { return lesser(greater(a, p), q); }
    case 23u { return select(c, b, a != 0.0); }
    case 24u { return select(0.0, 1.0, a == b); }
    case 25u { return select(0.0, 1.0, a != b); }
    case 26u { return select(0.0, 1.0, a < b); }
    case 27u { return select(0.0, 1.0, a <= b); }
    case 28u { return select(0.0, 1.0, a > b); }
    case 29u { return select(0.0, 1.0, a >= b); }
    case 30u { return sqrt(a); }
    case 32u { return c * exp(a - b); } // the gradient of logSumExp
    default { return a * a; }
  }
}
