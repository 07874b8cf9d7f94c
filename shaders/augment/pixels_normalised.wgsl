// Pixels of normalised images x [batch, height, width, 3] Elem, as bytes.
@group(0) @binding(1) var<storage, read> x: array<Elem>;

fn pixel(i: u32) -> vec3<u32> { return bytes_of(vec3<f32>(widen(x[3u * i]), widen(x[3u * i + 1u]), widen(x[3u * i + 2u]))); }
