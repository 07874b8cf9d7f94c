// Pixels that are transformed, read by columns of ROWS: 4 of a patch, SIDE of a tile (winograd/tiles.wgsl).
const ROWS: u32 = 4u; // spec
@group(0) @binding(1) var<storage, read> x: array<Elem>;

fn pixel(at: u32, inside: bool) -> f32 { return select(0.0, widen(x[select(0u, at, inside)]), inside); }

fn column(line: Line, b: u32) -> vec4<f32> {
  let w = column_of(b);
  let at = line.rows + w * params.channels;
  let inside = line.valid & vec4<bool>(w < params.width);
  var d = vec4<f32>(pixel(at.x, inside.x), pixel(at.y, inside.y), 0.0, 0.0);
  if (ROWS > 2u) { d.z = pixel(at.z, inside.z); }
  if (ROWS > 3u) { d.w = pixel(at.w, inside.w); }
  return d;
}
