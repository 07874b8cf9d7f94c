// c = a b of zeros, by one subgroup: whether a device takes gemm/matrix_subgroup.wgsl (gpu/subgroup_matrix.ts); it is only compiled.
// Layout: c [SIDE, SIDE]. Grid: [1, 1, 1].
const LANES: u32 = 32u; // spec
const SIDE: u32 = 16u;
const A_ALONG_ROWS: bool = false;
const A_STRIDE: u32 = SIDE;
const B_STRIDE: u32 = SIDE;
var<workgroup> tile_a: array<Half, SIDE * SIDE>;
var<workgroup> tile_b: array<Half, SIDE * SIDE>;
var<workgroup> results: array<f32, SIDE * SIDE>;
@group(0) @binding(0) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  for (var i = lane; i < SIDE * SIDE; i += LANES) {
    tile_a[i] = half(0.0);
    tile_b[i] = half(0.0);
  }
  workgroupBarrier();
  store_sum(0u, multiply_add(load_left(0u), load_right(0u), Sum()));
  workgroupBarrier();
  for (var i = lane; i < SIDE * SIDE; i += LANES) { c[i] = results[i]; }
}
