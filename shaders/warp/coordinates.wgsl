// Normalised coordinates: -1 and 1 are the centres of the first and the last pixel (ALIGN_CORNERS) or their outer borders.
const ALIGN_CORNERS: bool = false; // spec

// Pixels per unit of the normalised coordinate along a side of `size` pixels.
fn pixels_per_unit(size: u32) -> f32 { return 0.5 * f32(select(size, size - 1u, ALIGN_CORNERS)); }

// The coordinate of a pixel's centre.
fn normalised(pixel: u32, size: u32) -> f32 {
  if (ALIGN_CORNERS) { return select(f32(2u * pixel) / f32(max(size, 2u) - 1u) - 1.0, 0.0, size == 1u); }
  return f32(2u * pixel + 1u) / f32(size) - 1.0;
}
