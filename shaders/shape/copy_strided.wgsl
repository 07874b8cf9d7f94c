// y[to(i)] = x[from(i)] for every index i of a box: from and to are affine in the index, per axis a signed step.
// Serves permute, slice, flip, expand (a step of 0), concat and pad. Axes are collapsed by the host; the innermost is axis 5,
// the outermost axis 0. An invocation keeps its place on the innermost axis and walks
// through `depth` rows one after the other, so that what lies side by side in x is read while it is in the cache.
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
    for (var row = chunk * params.depth; row < min((chunk + 1u) * params.depth, params.rows); row++) {
      var rest = row;
      var source = params.from_start + column * params.from5;
      var place = params.to_start + column * params.to5;
      if (AXES > 2u) {
        let next = divide(rest, params.size4);
        let k = i32(rest - next * params.size4);
        source += k * params.from4;
        place += k * params.to4;
        rest = next;
      }
      if (AXES > 3u) {
        let next = divide(rest, params.size3);
        let k = i32(rest - next * params.size3);
        source += k * params.from3;
        place += k * params.to3;
        rest = next;
      }
      if (AXES > 4u) {
        let next = divide(rest, params.size2);
        let k = i32(rest - next * params.size2);
        source += k * params.from2;
        place += k * params.to2;
        rest = next;
      }
      if (AXES > 5u) {
        let next = divide(rest, params.size1);
        let k = i32(rest - next * params.size1);
        source += k * params.from1;
        place += k * params.to1;
        rest = next;
      }
      if (AXES > 1u) {
        source += i32(rest) * params.from0;
        place += i32(rest) * params.to0;
      }
      y[u32(place)] = x[u32(source)];
    }
  }
}
