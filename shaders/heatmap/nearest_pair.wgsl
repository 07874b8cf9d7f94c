// pair[n, joint]: which of two teachers' old and new maps agree best on the joint. Bit 0: the first teacher's old map, bit 1: the
// second's; the pair whose peaks are nearest, the first of equals in the order new-new, old-new, new-old, old-old.
// n: sample; joint. Layout: peaks [batch, joints, 3] (x, y, value), pair [batch, joints] u32. Grid: linear over batch * joints.
const WORKGROUP: u32 = 32u; // spec
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read> first_old: array<f32>;
@group(0) @binding(4) var<storage, read> second_old: array<f32>;
@group(0) @binding(5) var<storage, read_write> pair: array<u32>;

fn squared(x: f32, y: f32) -> f32 { return x * x + y * y; }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.count) { return; }
  let a = vec4<f32>(first[3u * i], first[3u * i + 1u], first_old[3u * i], first_old[3u * i + 1u]);
  let b = vec4<f32>(second[3u * i], second[3u * i + 1u], second_old[3u * i], second_old[3u * i + 1u]);
  var best = squared(a.x - b.x, a.y - b.y);
  var choice = 0u;
  for (var k = 1u; k < 4u; k++) {
    let p = select(a.xy, a.zw, (k & 1u) == 1u);
    let q = select(b.xy, b.zw, (k & 2u) == 2u);
    let distance = squared(p.x - q.x, p.y - q.y);
    if (distance < best) {
      best = distance;
      choice = k;
    }
  }
  pair[i] = choice;
}
