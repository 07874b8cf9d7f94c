// AutoContrast's table entry, int(value * scale - low * scale) with scale = 255 / (high - low).
// PARITY: Pillow computes it in f64, where about one exact quotient in ten comes out just below the integer and is
// truncated to the one before. So each rounding to 53 bits is done here, on 64-bit integers (low, high word) that count
// units of 2^(exponent - 52).

fn product(a: vec2<u32>, factor: u32) -> vec2<u32> { // a * factor, factor below 2^8
  let low = (a.x & 0xffffu) * factor;
  let middle = (a.x >> 16u) * factor + (low >> 16u);
  return vec2<u32>((low & 0xffffu) | (middle << 16u), a.y * factor + (middle >> 16u));
}

fn difference(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

// Rounded to 53 significant bits, ties to even, for numbers below 2^64 - 2^11.
fn rounded(a: vec2<u32>) -> vec2<u32> {
  let length = 32u - countLeadingZeros(a.y);
  if (length <= 21u) { return a; }
  let unit = 1u << (length - 21u);
  let rest = a.x & (unit - 1u);
  let half = unit >> 1u;
  let up = rest > half || (rest == half && (a.x & unit) != 0u);
  let floor_x = a.x - rest;
  let x = floor_x + select(0u, unit, up);
  return vec2<u32>(x, a.y + select(0u, 1u, x < floor_x));
}

// 255 / d as a 53-bit integer; never a tie. 255 * 2^(52 - exponent) is divided in digits of 32, 16 and 16 bits.
fn scale_of(d: u32, exponent: u32) -> vec2<u32> {
  let top = 255u << (20u - exponent);
  let first = ((top % d) << 16u);
  let second = ((first % d) << 16u);
  let floor_x = ((first / d) << 16u) | (second / d);
  let x = floor_x + select(0u, 1u, 2u * (second % d) > d);
  return vec2<u32>(x, top / d + select(0u, 1u, x < floor_x));
}

fn stretched(value: u32, low: u32, high: u32) -> u32 {
  if (high <= low) { return value; }
  if (value <= low) { return 0u; }
  let d = high - low;
  let exponent = firstLeadingBit(255u / d);
  let scale = scale_of(d, exponent);
  let result = rounded(difference(rounded(product(scale, value)), rounded(product(scale, low))));
  return min(result.y >> (20u - exponent), 255u);
}
