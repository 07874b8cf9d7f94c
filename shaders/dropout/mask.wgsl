// Words of the dropout mask: four a block, a pure function of (key, site, block), so that the backward pass and a replayed
// or resumed step find the same ones. key = [seed, stream, epoch, index]; site tells the masks of one key apart.
fn mask_words(key: vec4<u32>, lane_key: u32, block: u32) -> vec4<u32> { return pcg4d(vec4<u32>(key.x, lane_key, key.w, block)); }

// x * scale where the word's upper 24 bits reach the threshold, else an exact zero (also of an infinity or a NaN).
fn survivor(x: f32, word: u32) -> f32 { return select(0.0, x * params.scale, (word >> 8u) >= params.threshold); }
