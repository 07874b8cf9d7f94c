// grid[n, i, j] = theta_n (x_j, y_i, 1), with x_j and y_i the normalised coordinates of pixel (i, j).
// i: row; j: column. Layout: theta [batch, 2, 3] f32 row-major, grid [batch, height, width, 2] f32 as (x, y).
// Grid: any; every invocation takes a span of batch * height * width.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, height: u32, width: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> theta: array<f32>;
@group(0) @binding(2) var<storage, read_write> grid: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var pixel = span.first; pixel < params.batch * params.height * params.width; pixel += span.stride) {
    let line = divide(pixel, params.width);
    let n = divide(line, params.height);
    let x = normalised(pixel - line * params.width, params.width);
    let y = normalised(line - n * params.height, params.height);
    let t = 6u * n;
    grid[2u * pixel] = theta[t] * x + theta[t + 1u] * y + theta[t + 2u];
    grid[2u * pixel + 1u] = theta[t + 3u] * x + theta[t + 4u] * y + theta[t + 5u];
  }
}
