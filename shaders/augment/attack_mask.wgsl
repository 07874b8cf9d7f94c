// mask[n, cell] = 0 in one random cell of each sample, 1 elsewhere; from row `first` of the batch on, rows before it are 1 throughout.
// n: row. Layout: keys one key [seed, stream, epoch, first sample], mask [rows, cells]. Row n belongs to sample n mod `batch`,
// and has the draws of site `site` + n / batch. Grid: linear over rows * cells.
const WORKGROUP: u32 = 64u; // spec
struct Params { rows: u32, cells: u32, batch: u32, first: u32, site: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> mask: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i >= params.rows * params.cells) { return; }
  let row = i / params.cells;
  let key = keys[0];
  let word = pcg4d(vec4<u32>(key.x, site_lane(key, params.site + row / params.batch), key.w + row % params.batch, 0u)).x;
  mask[i] = select(1.0, 0.0, row >= params.first && i % params.cells == below(word, params.cells));
}
