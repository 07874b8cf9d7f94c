// out[first_cell + i] = the sum that the words of cell i stand for; NaN everywhere where the bound is not finite.
// From the last word to the first, what exceeds half a unit of the next one is carried over, so that small sums of large
// words lose nothing to cancellation. Layout: words [cells, WORDS] i32, bound one u32, out Elem. Grid: any; every
// invocation takes a span of cells.
const WORKGROUP: u32 = 64u; // spec
struct Params { cells: u32, first_cell: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> words: array<i32>;
@group(0) @binding(2) var<storage, read> bound: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let bits = bound[0];
  let unit = from_fixed(bits);
  for (var i = span.first; i < params.cells; i += span.stride) {
    var carry = 0;
    var sum = 0.0;
    for (var word = WORDS - 1u; word > 0u; word--) {
      let total = words[i * WORDS + word] + carry;
      carry = (total >> WORD_BITS) + ((total >> (WORD_BITS - 1u)) & 1);
      sum = (f32(total - (carry << WORD_BITS)) + sum) * (1.0 / f32(1u << WORD_BITS));
    }
    sum = (f32(words[i * WORDS] + carry) + sum) * unit;
    out[params.first_cell + i] = narrow(select(sum, bitcast<f32>(bits | 0x7fc00000u), bits >= 0x7f800000u));
  }
}
