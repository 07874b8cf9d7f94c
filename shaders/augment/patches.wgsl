// One entry of the table of patches [batch, patches, 2] that a chain is drawn by: box [x0, y0, x1, y1) px of the sample, then
// what it shows: image `source` of the batch at an offset, as that image was before step `step` of the chain; -1: zeros, the
// mean colour of a normalised image. `count` patches per sample from entry `first` on belong to a step.
fn store_patch(n: u32, k: u32, box: vec4<i32>, source: i32, offset: vec2<i32>) {
  let at = 2u * (n * params.patches + params.first + k);
  patches[at] = box;
  patches[at + 1u] = vec4<i32>(source, offset, i32(params.step));
}

// Half sides of a box, 10 .. 19 px times the scale.
fn half_sides(word: vec2<u32>) -> vec2<i32> {
  return vec2<i32>((10.0 + vec2<f32>(f32(below(word.x, 10u)), f32(below(word.y, 10u)))) * params.scale);
}

// Limits of x and y. PARITY (multiaugs D-1): the original takes height for width and width for height, so that nothing
// below row `width` is ever hidden in portrait images.
fn limits(swapped: bool) -> vec2<i32> {
  let size = vec2<i32>(vec2<u32>(params.width, params.height));
  return select(size, size.yx, swapped);
}
