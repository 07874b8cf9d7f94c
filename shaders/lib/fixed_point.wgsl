// Fixed point for sums whose bits do not depend on the order of additions: a value is cut into WORDS signed words of
// WORD_BITS bits, the words are added as integers. `bound` holds the f32 bits of the largest magnitude among the values;
// it sets a power of two as scale, so that the first word of every value is below 2^WORD_BITS.
const WORDS: u32 = 2u; // spec
const WORD_BITS: u32 = 17u; // spec

fn scale_exponent(bound: u32) -> u32 { return clamp(253u + WORD_BITS - (bound >> 23u), 1u, 253u); }

// What a value is multiplied by before it is cut into words, and the inverse; both exact.
fn to_fixed(bound: u32) -> f32 { return bitcast<f32>(scale_exponent(bound) << 23u); }
fn from_fixed(bound: u32) -> f32 { return bitcast<f32>((254u - scale_exponent(bound)) << 23u); }
