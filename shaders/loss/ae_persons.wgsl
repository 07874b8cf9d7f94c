// persons[n, p] = (joints, mean of their tags, mean of (tag - mean)^2, 0); all 0 for a person without joints.
// n: image; p: person. Layout: tags [batch, size] f32, index [batch, people, slots] i32, persons [batch, people].
// Grid: any; every invocation takes a span of batch * people.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, people: u32, slots: u32, size: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tags: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> persons: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var i = span.first; i < params.batch * params.people; i += span.stride) {
    let n = divide(i, params.people);
    let first = i * params.slots;
    var count = 0.0;
    var sum = 0.0;
    for (var place = first; place < first + params.slots; place++) {
      if (!joint_there(place)) { continue; }
      count += 1.0;
      sum += tags[tag_place(n, place)];
    }
    let divisor = max(count, 1.0);
    let mean = sum / divisor;
    var squares = 0.0;
    for (var place = first; place < first + params.slots; place++) {
      if (!joint_there(place)) { continue; }
      let deviation = tags[tag_place(n, place)] - mean;
      squares = fma(deviation, deviation, squares);
    }
    persons[i] = vec4<f32>(count, mean, squares / divisor, 0.0);
  }
}
