// Pixels of images x [batch, height, width], three bytes in a word.
@group(0) @binding(1) var<storage, read> x: array<u32>;

fn pixel(i: u32) -> vec3<u32> { return (vec3<u32>(x[i]) >> vec3<u32>(0u, 8u, 16u)) & vec3<u32>(255u); }
