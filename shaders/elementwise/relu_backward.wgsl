// dx[i] = dy[i] where the output y[i] is positive, else 0: nothing flows at 0, as in PyTorch.
// i: element. Layout: flat Elem, three buffers that do not overlap. Grid: linear, ceil(count / WORKGROUP).
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> y: array<Elem>;
@group(0) @binding(2) var<storage, read> dy: array<Elem>;
@group(0) @binding(3) var<storage, read_write> dx: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  if (i < params.count) { dx[i] = narrow(select(widen(dy[i]), 0.0, widen(y[i]) <= 0.0)); }
}
