// Weights of joints by what two teachers think of them. score: mean of the two peaks' values; ratio: distance of the peaks
// by the image's diagonal. everyone[n, joint] = base * score filter * score weight; third[n, joint] = that * distance filter.
// SCORE_FILTER: 1 where the score is above its threshold. SCORE_WEIGHT: 1 - |difference of the values|, 0 at least. DISTANCE 1: the third's
// is 0 from the threshold on; 2: times 1 - ratio; 3: joints pass for everyone by their score or by their distance.
// n: sample; joint. Layout: peaks [batch, joints, 3] (x, y, value), base, everyone, third [batch, joints].
// Grid: linear over batch * joints. Source: SSPCM, multiaugs §12.5.
const SCORE_FILTER: bool = true; // spec
const SCORE_WEIGHT: bool = false; // spec
const DISTANCE: u32 = 0u; // spec
const WORKGROUP: u32 = 32u; // spec
struct Params { count: u32, score_threshold: f32, distance_threshold: f32, inverse_diagonal: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read> base: array<f32>;
@group(0) @binding(4) var<storage, read_write> everyone: array<f32>;
@group(0) @binding(5) var<storage, read_write> third: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.count) { return; }
  let a = vec3<f32>(first[3u * i], first[3u * i + 1u], first[3u * i + 2u]);
  let b = vec3<f32>(second[3u * i], second[3u * i + 1u], second[3u * i + 2u]);
  let near = vec2<f32>(a.x - b.x, a.y - b.y);
  let ratio = sqrt(near.x * near.x + near.y * near.y) * params.inverse_diagonal;
  let sure = !SCORE_FILTER || 0.5 * (a.z + b.z) > params.score_threshold;
  let close = ratio < params.distance_threshold;
  let passes = select(sure, sure || close, DISTANCE == 3u);
  let all = base[i] * select(0.0, 1.0, passes) * select(1.0, max(0.0, 1.0 - abs(a.z - b.z)), SCORE_WEIGHT);
  everyone[i] = all;
  third[i] = all * select(select(1.0, 1.0 - ratio, DISTANCE == 2u), select(0.0, 1.0, close), DISTANCE == 1u);
}
