// Where a bilinear sample of a height x width image reads: PyTorch's grid_sample. With BORDER coordinates are clamped to
// the image, and do not move what they read where they are; otherwise pixels outside of the image count as zeros.
const BORDER: bool = false; // spec

// A place along an axis: the pixel before it, the share of the next one, and pixels per unit of the coordinate.
struct Place { pixel: i32, share: f32, slope: f32 }

fn place_of(coordinate: f32, size: u32) -> Place {
  let slope = pixels_per_unit(size);
  var raw = (coordinate + 1.0) * slope - select(0.5, 0.0, ALIGN_CORNERS);
  // No number: outside of the image.
  if (is_nan(raw)) { raw = -2.0; }
  // Far outside is outside: the clamp keeps the conversion to integers defined.
  let last = f32(size) - 1.0;
  let place = clamp(raw, select(-2.0, 0.0, BORDER), select(last + 2.0, last, BORDER));
  let pixel = floor(place);
  return Place(i32(pixel), place - pixel, select(slope, 0.0, BORDER && !(raw > 0.0 && raw < last)));
}

// The four pixels around a place, row by row: indices in the image (clamped to it), weights (0 outside), and which are inside.
struct Taps { pixel: vec4<u32>, weight: vec4<f32>, inside: vec4<bool> }

fn taps_of(x: Place, y: Place, height: u32, width: u32) -> Taps {
  let u = vec2<i32>(x.pixel, x.pixel + 1);
  let v = vec2<i32>(y.pixel, y.pixel + 1);
  let column = clamp(u, vec2<i32>(0), vec2<i32>(i32(width) - 1));
  let row = clamp(v, vec2<i32>(0), vec2<i32>(i32(height) - 1));
  let inside = (u == column).xyxy & (v == row).xxyy;
  let share_u = vec2<f32>(1.0 - x.share, x.share);
  let share_v = vec2<f32>(1.0 - y.share, y.share);
  return Taps(vec4<u32>(column.xyxy + row.xxyy * i32(width)), select(vec4<f32>(0.0), share_u.xyxy * share_v.xxyy, inside), inside);
}
