// accumulators[cell] += value in fixed point, for the module's `accumulators: array<atomic<i32>>` of WORDS words per cell.
// `scale` is to_fixed(bound). Cells outside of the window [first, first + cells) are left to another pass.
fn add_fixed(cell: u32, value: f32, scale: f32) {
  let place = cell - params.first_cell; // wraps around below the window
  if (place >= params.cells) { return; }
  let limit = f32((1u << WORD_BITS) - 1u);
  var rest = value * scale;
  for (var word = 0u; word < WORDS; word++) {
    // The last word is rounded, the others are cut off, so that what is left over stays below one.
    let digit = clamp(select(trunc(rest), round(rest), word + 1u == WORDS), -limit, limit);
    if (digit != 0.0) { atomicAdd(&accumulators[place * WORDS + word], i32(digit)); }
    rest = (rest - digit) * f32(1u << WORD_BITS);
  }
}
