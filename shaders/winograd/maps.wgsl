// Winograd's transforms along one axis, for patches of 4x4: F(2x2, 3x3) makes tiles of 2x2 results from 3x3 taps, F(3x3, 2x2)
// tiles of 3x3 results from 2x2 taps. Both multiply polynomials at the points 0, 1, -1 and infinity, so that they share all maps
// (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, with the last row of Bt negated).
// A map combines the columns of a matrix; m(transpose(m(d))) is both axes. From d[column][row] it makes positions [a][b], and back.
const SIDE: u32 = 2u; // spec (results of a tile, or taps, along an axis: 2 or 3)

// Bt: a patch of x.
fn overlap(d: mat4x4<f32>) -> mat4x4<f32> {
  return mat4x4<f32>(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]);
}

// A, and G but for its halves: values of a polynomial with SIDE coefficients.
fn spread(d: mat4x4<f32>) -> mat4x4<f32> {
  if (SIDE == 2u) { return mat4x4<f32>(d[0], d[0] + d[1], d[0] - d[1], d[1]); }
  let even = d[0] + d[2];
  return mat4x4<f32>(d[0], even + d[1], even - d[1], d[2]);
}

// At, and Gt but for its halves: the transpose of spread, SIDE columns.
fn collect(p: mat4x4<f32>) -> mat4x4<f32> {
  let even = p[1] + p[2];
  let odd = p[1] - p[2];
  if (SIDE == 2u) { return mat4x4<f32>(p[0] + even, odd + p[3], vec4<f32>(), vec4<f32>()); }
  return mat4x4<f32>(p[0] + even, odd, even + p[3], vec4<f32>());
}

// The halves of G, of both axes: on [a][b].
fn halve(p: mat4x4<f32>) -> mat4x4<f32> {
  let outer = vec4<f32>(1.0, 0.5, 0.5, 1.0);
  return mat4x4<f32>(outer * p[0], 0.5 * outer * p[1], 0.5 * outer * p[2], outer * p[3]);
}
