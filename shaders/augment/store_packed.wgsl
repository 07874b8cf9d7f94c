// Stores bytes as images y [batch, height, width], three in a word.
@group(0) @binding(4) var<storage, read_write> y: array<u32>;

fn store(i: u32, bytes: vec3<u32>) { y[i] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u); }
