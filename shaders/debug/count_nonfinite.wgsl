// counts[2 row] += NaN in x, counts[2 row + 1] += infinite numbers in x. By the bits: compilers may take NaN for impossible.
// Layout: x `count` numbers of a word or, with HALF, of half a word; counts [rows, 2]. Sums of integers: the same in any order.
// Grid: linear, each invocation reads WORDS words.
const HALF: bool = false; // spec
const WORDS: u32 = 32u; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, row: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;

// (1, 0) for NaN, (0, 1) for infinity, by exponent and fraction of a number without its sign.
fn classify(bits: u32, infinity: u32) -> vec2<u32> {
  return vec2<u32>(select(0u, 1u, bits > infinity), select(0u, 1u, bits == infinity));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let words = select(params.count, (params.count + 1u) / 2u, HALF);
  let first = linear_index(group, groups, lane, WORKGROUP) * WORDS;
  var found = vec2<u32>(0u);
  for (var i = first; i < min(first + WORDS, words); i++) {
    let word = x[i];
    if (HALF) {
      found += classify(word & 0x7fffu, 0x7c00u);
      if (2u * i + 1u < params.count) { found += classify((word >> 16u) & 0x7fffu, 0x7c00u); }
    } else {
      found += classify(word & 0x7fffffffu, 0x7f800000u);
    }
  }
  if (found.x > 0u) { atomicAdd(&counts[2u * params.row], found.x); }
  if (found.y > 0u) { atomicAdd(&counts[2u * params.row + 1u], found.y); }
}
