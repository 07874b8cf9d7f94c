// What MixUp of a batch needs: draws[0] = the bits of lambda = 1 - 0.25 * lambda0, lambda0 ~ Beta(0.2, 0.2);
// draws[1 + n] = the sample that n is mixed with, one permutation of the batch. Beta by Jöhnk's method: u^5 / (u^5 + v^5) for
// u^5 + v^5 <= 1, which 19 of 20 pairs satisfy. Layout: keys one key, draws [1 + batch]. Grid: linear over batch.
const WORKGROUP: u32 = 64u; // spec
const MOST_TRIES: u32 = 16u;
struct Params { batch: u32, site: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> draws: array<u32>;

// x^5 of the middle of one of 2^23 equal parts of [0, 1): never 0, and no f32 is too small for it.
fn fifth_power(word: u32) -> f32 {
  let x = (f32(word >> 9u) + 0.5) * (1.0 / 8388608.0);
  return x * x * (x * x) * x;
}

fn beta() -> f32 {
  var powers = vec2<f32>(1.0);
  for (var i = 0u; i < MOST_TRIES && powers.x + powers.y > 1.0; i++) {
    let word = words(0u, BATCH_COUNTERS + 1u + i);
    powers = vec2<f32>(fifth_power(word.x), fifth_power(word.y));
  }
  return powers.x / (powers.x + powers.y);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = linear_index(group, groups, lane, WORKGROUP);
  if (n >= params.batch) { return; }
  if (n == 0u) { draws[0] = bitcast<u32>(1.0 - 0.25 * beta()); }
  draws[1u + n] = partner(n);
}
