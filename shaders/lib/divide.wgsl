// Quotient without the slow integer division of software drivers, exact for n below 2^31: the second estimate divides
// what the first left over, the last step corrects by one.
fn divide(n: u32, d: u32) -> u32 {
  let reciprocal = 1.0 / f32(d);
  let first = u32(f32(n) * reciprocal);
  let rest = i32(n - first * d);
  var q = i32(first) + i32(f32(rest) * reciprocal);
  let left = i32(n) - q * i32(d);
  if (left < 0) { q -= 1; }
  if (left >= i32(d)) { q += 1; }
  return u32(q);
}
