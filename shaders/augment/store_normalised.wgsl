// Stores bytes as normalised images y [batch, height, width, 3] Elem.
@group(0) @binding(4) var<storage, read_write> y: array<Elem>;

fn store(i: u32, bytes: vec3<u32>) {
  let value = normalised(vec3<f32>(bytes));
  y[3u * i] = narrow(value.x);
  y[3u * i + 1u] = narrow(value.y);
  y[3u * i + 2u] = narrow(value.z);
}
