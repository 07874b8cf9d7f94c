// Derivatives of the elementwise table (functions.wgsl): of function OP with respect to operand INPUT, at a, b, c. Operands
// by which the derivative is 1 or 0 everywhere (src/kernels/map.ts) never come here.
const INPUT: u32 = 0u; // spec

fn function_derivative(a: f32, b: f32, c: f32, p: f32, q: f32) -> f32 {
  switch OP {
    case 2u { return select(1.0, -1.0, INPUT == 1u); }
    case 3u { return select(b, a, INPUT == 1u); }
    case 4u {
      if (INPUT == 0u) { return 1.0 / b; }
      return -a / (b * b);
    }
    case 5u {
      if (INPUT == 0u) { return select(b * power(a, b - 1.0), 0.0, b == 0.0); }
      return select(power(a, b) * log(a), 0.0, a == 0.0 && b >= 0.0);
    }
    // Operands that tie share the gradient.
    case 6u { return select(select(0.0, 1.0, (a < b) == (INPUT == 0u)), 0.5, a == b); }
    case 7u { return select(select(0.0, 1.0, (a > b) == (INPUT == 0u)), 0.5, a == b); }
    case 8u { return -1.0; }
    case 9u { return 0.5 / sqrt(a); }
    case 10u { return -0.5 * inverseSqrt(a) / a; }
    case 11u { return exp(a); }
    case 12u { return 1.0 / a; }
    case 13u { return sign(a); }
    case 15u { return sine_quadrant(a, 1); }
    case 16u { return -sine_quadrant(a, 0); }
    case 17u {
      let t = hyperbolic_tangent(a);
      return 1.0 - t * t;
    }
    case 18u {
      let s = logistic(a);
      return s * (1.0 - s);
    }
    case 19u { return select(0.0, 1.0, a > 0.0); }
    case 20u { return select(p, 1.0, a > 0.0); }
    case 21u { return logistic(a); }
    case 22u { return select(0.0, 1.0, a >= p && a <= q); }
    case 23u { return select(0.0, 1.0, (a != 0.0) == (INPUT == 1u)); }
    // The square root whose gradient at zero is zero.
    case 30u { return select(0.5 * inverseSqrt(a), 0.0, a <= 0.0); }
    case 31u { return 2.0 * a; }
    default { return 1.0; }
  }
}
