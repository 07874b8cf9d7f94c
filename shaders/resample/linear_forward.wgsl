// y[o, i, k] = (1 - f) x[o, low, k] + f x[o, low + 1, k], where low + f = max(step * i + start, 0) / unit is the place that
// output i reads: exact, for all are integers. Beyond the last input the last one counts.
// o: outer; i: position along the resampled axis; k: inner. `lanes` neighbouring invocations share out a row k.
// Layout: x [outer, in_length, inner] Elem, y [outer, out_length, inner]; step * out_length and in_length * unit + |start|
// are below 2^31. Grid: any; every invocation takes a span of outer * out_length * lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, in_length: u32, out_length: u32, inner: u32, step: u32, start: i32, unit: u32, lanes: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var id = span.first; id < params.outer * params.out_length * params.lanes; id += span.stride) {
    let row = divide(id, params.lanes);
    let o = divide(row, params.out_length);
    let place = u32(max(i32((row - o * params.out_length) * params.step) + params.start, 0));
    let low = divide(place, params.unit);
    let f = f32(place - low * params.unit) / f32(params.unit);
    let first = (o * params.in_length + low) * params.inner;
    let second = (o * params.in_length + min(low + 1u, params.in_length - 1u)) * params.inner;
    for (var k = id - row * params.lanes; k < params.inner; k += params.lanes) {
      y[row * params.inner + k] = narrow((1.0 - f) * widen(x[first + k]) + f * widen(x[second + k]));
    }
  }
}
