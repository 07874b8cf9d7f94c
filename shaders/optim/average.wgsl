// average = decay average + (1 - decay) p. i: element. Layout: p, average [count] f32; share = decay, 1 - decay of this
// update, written by the host. Grid: any; every invocation takes a span.
const WORKGROUP: u32 = 64u; // spec
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> share: array<f32>;
@group(0) @binding(3) var<storage, read_write> average: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let decay = share[0];
  let rest = share[1];
  let span = span_of(group, groups, lane, WORKGROUP);
  for (var i = span.first; i < params.count; i += span.stride) {
    // A decay of 0 replaces, also what was never written.
    average[i] = select(decay * average[i] + rest * p[i], p[i], decay == 0.0);
  }
}
