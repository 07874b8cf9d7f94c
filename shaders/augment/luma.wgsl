// Grey level of a pixel as Pillow's convert("L") rounds it; the first channel counts as red.
fn luma(p: vec3<u32>) -> u32 { return (p.x * 19595u + p.y * 38470u + p.z * 7471u + 32768u) >> 16u; }
