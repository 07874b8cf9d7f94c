// slopes[n, p] = (factor of tag - mean in the gradient of pull, gradient of push by each of the person's tags), times the
// incoming gradients of the two. P: persons with joints; c: joints of this one.
// pull: 2 dy_pull / (P c); push: dy_push / (P (P - 1) c) * sum of push'(m_p - m_b) over the others.
// Layout: persons [batch, people], dy [2, batch] f32, slopes [batch, people]. Grid: any; a span of batch * people.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, people: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> persons: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> slopes: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var i = span.first; i < params.batch * params.people; i += span.stride) {
    let n = divide(i, params.people);
    let first = n * params.people;
    let person = persons[i];
    var count = 0.0;
    var sum = 0.0;
    for (var b = first; b < first + params.people; b++) {
      let other = persons[b];
      if (other.x == 0.0) { continue; }
      count += 1.0;
      if (b != i) { sum += push_slope(person.y - other.y); }
    }
    let joints = max(person.x, 1.0);
    let pairs = max(count * (count - 1.0), 1.0);
    slopes[i] = vec2<f32>(2.0 * dy[n] / (max(count, 1.0) * joints), dy[params.batch + n] * sum / (pairs * joints));
  }
}
