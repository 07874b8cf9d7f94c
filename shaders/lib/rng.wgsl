// Counter-based random numbers: pcg4d (Jarzynski and Olano, JCGT 2020), the same integers as src/random.ts.
fn pcg4d(counter: vec4<u32>) -> vec4<u32> {
  var v = counter * 1664525u + 1013904223u;
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  v = v ^ (v >> vec4<u32>(16u));
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  return v;
}

// Uniform in [0, 1) from the upper 24 bits of a word: exact in f32.
fn unit(word: u32) -> f32 { return f32(word >> 8u) * (1.0 / 16777216.0); }

// Two independent standard normals from two words (Box-Muller).
fn normal_pair(a: u32, b: u32) -> vec2<f32> {
  let radius = sqrt(-2.0 * log(1.0 - unit(a)));
  let angle = 6.283185307179586 * unit(b);
  return radius * vec2<f32>(cos(angle), sin(angle));
}

// Uniform in 0 .. count - 1: floor(word * count / 2^32), exact for counts below 2^16.
fn below(word: u32, count: u32) -> u32 {
  return ((word >> 16u) * count + (((word & 0xffffu) * count) >> 16u)) >> 16u;
}

// Lane of one of the sites that draw by a key [seed, stream, epoch, index]; its words are pcg4d(seed, lane, index, counter).
fn site_lane(key: vec4<u32>, site: u32) -> u32 { return pcg4d(vec4<u32>(key.y, key.z, site, 0u)).w; }
