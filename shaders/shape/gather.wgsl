// y[o, i, k] = x[o, index, k], 0 where the index is not below `size`.
// o: outer; i: place along the axis of y, `count` of them; k: inner; index[o * index_outer + i * index_row + k * index_inner].
// Layout: dense x [outer, size, inner], y [outer, count, inner] Elem. Grid: any; every invocation takes a span of y.
const WORKGROUP: u32 = 64u; // spec
struct Params { outer: u32, count: u32, inner: u32, size: u32, index_outer: u32, index_row: u32, index_inner: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var at = span.first; at < params.outer * params.count * params.inner; at += span.stride) {
    let row = divide(at, params.inner);
    let k = at - row * params.inner;
    let o = divide(row, params.count);
    let i = row - o * params.count;
    let chosen = index[o * params.index_outer + i * params.index_row + k * params.index_inner];
    let inside = chosen < params.size;
    let place = select(0u, (o * params.size + chosen) * params.inner + k, inside);
    y[at] = select(Elem(0), x[place], inside);
  }
}
