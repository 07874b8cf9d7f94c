// y[i] = x[i] * scale where word i of the mask reaches the threshold, else 0; the same for dx from dy.
// i: element; word i is word i mod 4 of block i / 4. threshold = probability * 2^24, scale = 1 / (1 - probability).
// Layout: x, y [count] Elem; key [seed, stream, epoch, index]. Grid: any; every invocation takes a span of blocks of four.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32, site: u32, threshold: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> key: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let words = key[0];
  let lane_key = site_lane(words, params.site);
  let whole = params.count / 4u;
  for (var block = span.first; block < whole; block += span.stride) {
    let word = mask_words(words, lane_key, block);
    let at = 4u * block;
    y[at] = narrow(survivor(widen(x[at]), word.x));
    y[at + 1u] = narrow(survivor(widen(x[at + 1u]), word.y));
    y[at + 2u] = narrow(survivor(widen(x[at + 2u]), word.z));
    y[at + 3u] = narrow(survivor(widen(x[at + 3u]), word.w));
  }
  let rest = 4u * whole + span.first;
  if (rest < params.count) { y[rest] = narrow(survivor(widen(x[rest]), mask_words(words, lane_key, whole)[span.first])); }
}
