// accumulators[o, index[o, i, k], k] += values[o, i, k], in fixed point.
// o: outer; i: row, `count` of them; k: inner; the index has a step along each, 0 where it is shared. An index that is not
// below `size` adds nothing. Layout: values [outer, count, inner] Elem, index u32, accumulators [outer, size, inner, WORDS]
// i32 that are 0 before. Grid: any; every invocation takes a span of outer * count * inner.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  outer: u32, count: u32, inner: u32, size: u32,
  index_outer: u32, index_row: u32, index_inner: u32,
  first_cell: u32, cells: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<Elem>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read> bound: array<u32>;
@group(0) @binding(4) var<storage, read_write> accumulators: array<atomic<i32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let scale = to_fixed(bound[0]);
  for (var at = span.first; at < params.outer * params.count * params.inner; at += span.stride) {
    let row = divide(at, params.inner);
    let k = at - row * params.inner;
    let o = divide(row, params.count);
    let i = row - o * params.count;
    let place = index[o * params.index_outer + i * params.index_row + k * params.index_inner];
    if (place >= params.size) { continue; }
    add_fixed((o * params.size + place) * params.inner + k, widen(values[at]), scale);
  }
}
