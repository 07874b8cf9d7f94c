// y[to(i)] = x[from(i)] for every index i of a box: from and to are affine in the index, per axis a signed step.
// Serves permute, slice, flip, expand (a step of 0), concat and pad. Axes are collapsed by the host; the innermost is axis 5,
// the outermost axis 0. An invocation keeps its place on the innermost axis and walks
// through `depth` rows one after the other, so that what lies side by side in x is read while it is in the cache; its place on
// the other axes is divided out once, and counted on from there.
// Layout: x, y Elem that do not overlap; no two i with one `to`. Grid: any; every invocation takes a span of chunks * size5.
const AXES: u32 = 6u; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params {
  rows: u32, chunks: u32, depth: u32,
  size1: u32, size2: u32, size3: u32, size4: u32, size5: u32,
  from_start: i32, from0: i32, from1: i32, from2: i32, from3: i32, from4: i32, from5: i32,
  to_start: i32, to0: i32, to1: i32, to2: i32, to3: i32, to4: i32, to5: i32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var id = span.first; id < params.chunks * params.size5; id += span.stride) {
    let chunk = divide(id, params.size5);
    let column = i32(id - chunk * params.size5);
    let first = chunk * params.depth;
    var rest = first;
    var source = params.from_start + column * params.from5;
    var place = params.to_start + column * params.to5;
    var k4 = 0u;
    if (AXES > 2u) {
      let next = divide(rest, params.size4);
      k4 = rest - next * params.size4;
      source += i32(k4) * params.from4;
      place += i32(k4) * params.to4;
      rest = next;
    }
    var k3 = 0u;
    if (AXES > 3u) {
      let next = divide(rest, params.size3);
      k3 = rest - next * params.size3;
      source += i32(k3) * params.from3;
      place += i32(k3) * params.to3;
      rest = next;
    }
    var k2 = 0u;
    if (AXES > 4u) {
      let next = divide(rest, params.size2);
      k2 = rest - next * params.size2;
      source += i32(k2) * params.from2;
      place += i32(k2) * params.to2;
      rest = next;
    }
    var k1 = 0u;
    if (AXES > 5u) {
      let next = divide(rest, params.size1);
      k1 = rest - next * params.size1;
      source += i32(k1) * params.from1;
      place += i32(k1) * params.to1;
      rest = next;
    }
    source += i32(rest) * params.from0;
    place += i32(rest) * params.to0;
    for (var row = first; row < min(first + params.depth, params.rows); row++) {
      y[u32(place)] = x[u32(source)];
      // One row on: the last of the row axes counts up, and an axis that is full carries into the one before it.
      var carry = true;
      if (AXES > 2u) {
        k4 += u32(carry);
        let full = k4 == params.size4;
        source += select(0, params.from4, carry) - select(0, i32(params.size4) * params.from4, full);
        place += select(0, params.to4, carry) - select(0, i32(params.size4) * params.to4, full);
        k4 = select(k4, 0u, full);
        carry = full;
      }
      if (AXES > 3u) {
        k3 += u32(carry);
        let full = k3 == params.size3;
        source += select(0, params.from3, carry) - select(0, i32(params.size3) * params.from3, full);
        place += select(0, params.to3, carry) - select(0, i32(params.size3) * params.to3, full);
        k3 = select(k3, 0u, full);
        carry = full;
      }
      if (AXES > 4u) {
        k2 += u32(carry);
        let full = k2 == params.size2;
        source += select(0, params.from2, carry) - select(0, i32(params.size2) * params.from2, full);
        place += select(0, params.to2, carry) - select(0, i32(params.size2) * params.to2, full);
        k2 = select(k2, 0u, full);
        carry = full;
      }
      if (AXES > 5u) {
        k1 += u32(carry);
        let full = k1 == params.size1;
        source += select(0, params.from1, carry) - select(0, i32(params.size1) * params.from1, full);
        place += select(0, params.to1, carry) - select(0, i32(params.size1) * params.to1, full);
        k1 = select(k1, 0u, full);
        carry = full;
      }
      source += select(0, params.from0, carry);
      place += select(0, params.to0, carry);
    }
  }
}
