// Positions [a][b] of what was transformed, each a matrix of `plane` elements: v[4a + b].
@group(0) @binding(2) var<storage, read_write> v: array<f32>;

fn store_line(first: u32, plane: u32, line: vec4<f32>) {
  v[first] = line.x;
  v[first + plane] = line.y;
  v[first + 2u * plane] = line.z;
  v[first + 3u * plane] = line.w;
}

fn store(first: u32, plane: u32, positions: mat4x4<f32>) {
  store_line(first, plane, positions[0]);
  store_line(first + 4u * plane, plane, positions[1]);
  store_line(first + 8u * plane, plane, positions[2]);
  store_line(first + 12u * plane, plane, positions[3]);
}
