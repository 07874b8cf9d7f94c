// A joint as joint steps see it: peak + N(0, 10 px) per axis, truncated, and half sides; both belong to the joint, however
// often it is drawn. Layout: peaks [batch, joints, 3] = x, y px and value, pool [pool_size] joints to draw from.
struct Joint { centre: vec2<i32>, half: vec2<i32> }

fn jittered_joint(n: u32, joint: u32) -> Joint {
  let word = words(n, JOINT_COUNTERS + joint);
  let noise = normal_pair(word.z, word.w) * (10.0 * params.scale);
  let at = 3u * (n * params.joints + joint);
  return Joint(vec2<i32>(vec2<f32>(peaks[at], peaks[at + 1u]) + noise), half_sides(word.xy));
}

// A joint of the pool.
fn chosen_joint(word: u32) -> u32 { return pool[below(word, params.pool_size)]; }
