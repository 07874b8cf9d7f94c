// dx[o, h, k] = sum over the outputs i that read h of their weight times dy[o, i, k], in ascending i: first those between
// h - 1 and h, then those between h and h + 1.
// o: outer; h: position along the resampled axis; k: inner. `lanes` neighbouring invocations share out a row k.
// Layout as in resample/linear_forward. Grid: any; every invocation takes a span of outer * in_length * lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, in_length: u32, out_length: u32, inner: u32, step: u32, start: i32, unit: u32, lanes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read_write> dx: array<Elem>;

// The first output whose place is `position` or beyond.
fn first_output(position: i32) -> u32 {
  if (position <= 0) { return 0u; }
  if (position >= i32(params.in_length) || params.step == 0u) { return params.out_length; }
  let distance = u32(max(position * i32(params.unit) - params.start, 0));
  return min(divide(distance + params.step - 1u, params.step), params.out_length);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let reciprocal = 1.0 / f32(params.unit);
  for (var id = span.first; id < params.outer * params.in_length * params.lanes; id += span.stride) {
    let row = divide(id, params.lanes);
    let o = divide(row, params.in_length);
    let h = i32(row - o * params.in_length);
    let begin = first_output(h - 1);
    let middle = first_output(h);
    let end = first_output(h + 1);
    let last = h + 1 == i32(params.in_length);
    // Relative to h. Places before the first input count as the first, those behind the last as the last.
    let origin = params.start - h * i32(params.unit);
    for (var k = id - row * params.lanes; k < params.inner; k += params.lanes) {
      var sum = 0.0;
      var source = (o * params.out_length + begin) * params.inner + k;
      for (var i = begin; i < middle; i++) {
        let beyond = max(i32(i * params.step) + origin + i32(params.unit), 0);
        sum += f32(beyond) * reciprocal * widen(dy[source]);
        source += params.inner;
      }
      for (var i = middle; i < end; i++) {
        let beyond = select(max(i32(i * params.step) + origin, 0), 0, last);
        sum += (1.0 - f32(beyond) * reciprocal) * widen(dy[source]);
        source += params.inner;
      }
      dx[row * params.inner + k] = narrow(sum);
    }
  }
}
