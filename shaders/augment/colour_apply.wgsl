// y = x under each sample's colour operation, in bytes; pixels outside of the rectangle to write are left alone.
// n: sample; u, v: column, row. Layout: x by `pixel`, y by `store`, operations and tables of colour_operation.wgsl.
// Grid: any; invocations take rows, `lanes` of them share one.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, width: u32, height: u32, lanes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> operations: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> tables: array<u32>;

fn inside(u: u32, v: u32, box: vec4<u32>) -> bool { return u >= box.x && v >= box.y && u < box.z && v < box.w; }

// Pillow's 3x3 SMOOTH, weight 5 in the middle, 13 in all, rounded; it leaves the border alone.
fn smooth_pixel(i: u32, u: u32, v: u32) -> vec3<u32> {
  let own = pixel(i);
  if (u == 0u || v == 0u || u + 1u == params.width || v + 1u == params.height) { return own; }
  var sum = 4u * own;
  for (var row = 0u; row < 3u; row++) {
    let middle = i + row * params.width - params.width;
    sum += pixel(middle - 1u) + pixel(middle) + pixel(middle + 1u);
  }
  return (2u * sum + 13u) / 26u;
}

// Pillow's blend of one channel: base + factor * (own - base) in f32, truncated; `product` is |factor * (own - base)|.
fn blended(base: u32, own: u32, product: f32) -> u32 {
  return u32(clamp(f32(base) + select(product, -product, own < base), 0.0, 255.0));
}

fn made(making: u32, n: u32, i: u32, u: u32, v: u32) -> vec3<u32> {
  let own = pixel(i);
  let table = 256u * n;
  if (making == PIXEL_TABLE) {
    return vec3<u32>(tables[table + own.x], tables[table + own.y] >> 8u, tables[table + own.z] >> 16u) & vec3<u32>(255u);
  }
  if (making == PIXEL_FILLED) { return select(own, vec3<u32>(125u, 123u, 114u), inside(u, v, operations[3u * n + 1u])); }
  var base = vec3<u32>(operations[3u * n].y);
  if (making == PIXEL_FROM_GREY) { base = vec3<u32>(luma(own)); }
  if (making == PIXEL_FROM_SMOOTH) { base = smooth_pixel(i, u, v); }
  let distance = max(own, base) - min(own, base);
  return vec3<u32>(
    blended(base.x, own.x, bitcast<f32>(tables[table + distance.x])),
    blended(base.y, own.y, bitcast<f32>(tables[table + distance.y])),
    blended(base.z, own.z, bitcast<f32>(tables[table + distance.z])),
  );
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var id = span.first; id < params.batch * params.height * params.lanes; id += span.stride) {
    let row = divide(id, params.lanes);
    let n = divide(row, params.height);
    let v = row - n * params.height;
    let making = operations[3u * n].x;
    let written = operations[3u * n + 2u];
    if (v < written.y || v >= written.w) { continue; }
    for (var u = id - row * params.lanes; u < written.z; u += params.lanes) {
      let i = row * params.width + u;
      if (u >= written.x) { store(i, made(making, n, i, u, v)); }
    }
  }
}
