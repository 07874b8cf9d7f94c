// loss[0, n] = pull: mean over persons of their tags' variance; loss[1, n] = push: half the sum of push(m_a - m_b) over
// ordered pairs of different persons, by P (P - 1). Persons without joints do not count; without persons both are 0, with
// one push is. Layout: persons [batch, people], loss [2, batch] f32; sums in a fixed order. Grid: any; a span of batch.
const WORKGROUP: u32 = 8u; // spec
struct Params { batch: u32, people: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> persons: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var n = span.first; n < params.batch; n += span.stride) {
    let first = n * params.people;
    var count = 0.0;
    var pull = 0.0;
    var pairs = 0.0;
    for (var a = first; a < first + params.people; a++) {
      let person = persons[a];
      if (person.x == 0.0) { continue; }
      count += 1.0;
      pull += person.z;
      // Every pair once: the two orders push alike.
      var sum = 0.0;
      for (var b = first; b < a; b++) {
        let other = persons[b];
        if (other.x > 0.0) { sum += push(person.y - other.y); }
      }
      pairs += sum;
    }
    loss[n] = pull / max(count, 1.0);
    loss[params.batch + n] = pairs / max(count * (count - 1.0), 1.0);
  }
}
