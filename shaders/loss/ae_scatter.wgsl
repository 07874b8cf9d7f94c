// gradient[n, at] = sum of slope.x (tag - mean) + slope.y over the joints at that place: of all persons whose joints fall on
// one place the first invocation writes the sum, in their order. Other places are left as they are (0).
// Layout: tags, gradient [batch, size] f32, index [batch, people, slots] i32, persons, slopes [batch, people].
// Grid: any; every invocation takes a span of batch * people * slots.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, people: u32, slots: u32, size: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tags: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read> persons: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> slopes: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let joints = params.people * params.slots;
  for (var i = span.first; i < params.batch * joints; i += span.stride) {
    if (!joint_there(i)) { continue; }
    let own = index[i];
    let n = divide(i, joints);
    var taken = false;
    for (var place = n * joints; place < i && !taken; place++) { taken = index[place] == own; }
    if (taken) { continue; }
    let at = tag_place(n, i);
    var sum = 0.0;
    for (var place = i; place < (n + 1u) * joints; place++) {
      if (index[place] != own) { continue; }
      let p = divide(place, params.slots);
      sum += slopes[p].x * (tags[at] - persons[p].y) + slopes[p].y;
    }
    gradient[at] = sum;
  }
}
