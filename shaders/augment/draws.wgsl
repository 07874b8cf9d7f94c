// Random words of one step of a chain: pure functions of the key [seed, stream, epoch, index of the batch's first sample],
// the step's site, the sample and a counter. Counters of choices start at 0, those of joints and of the batch here.
const JOINT_COUNTERS: u32 = 65536u;
const BATCH_COUNTERS: u32 = 131072u;

fn words(n: u32, counter: u32) -> vec4<u32> {
  let key = keys[0];
  return pcg4d(vec4<u32>(key.x, site_lane(key, params.site), key.w + n, counter));
}

// The sample that n is paired with: its rank among one word per sample, so that all partners are one permutation.
fn partner(n: u32) -> u32 {
  let own = words(n, BATCH_COUNTERS).x;
  var rank = 0u;
  for (var m = 0u; m < params.batch; m++) {
    let other = words(m, BATCH_COUNTERS).x;
    rank += select(0u, 1u, other < own || (other == own && m < n));
  }
  return rank;
}
