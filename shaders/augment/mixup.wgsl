// y[n] = lambda x[n] + (1 - lambda) x[partner of n]. Layout: x, y [batch, inner] Elem, draws of mixup_draws.wgsl.
// Grid: any; every invocation takes a span of inner, in all samples.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, inner: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Elem>;
@group(0) @binding(2) var<storage, read> draws: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let span = span_of(group, groups, lane, WORKGROUP);
  let lambda = bitcast<f32>(draws[0]);
  for (var i = span.first; i < params.inner; i += span.stride) {
    for (var n = 0u; n < params.batch; n++) {
      let other = widen(x[draws[1u + n] * params.inner + i]);
      y[n * params.inner + i] = narrow(lambda * widen(x[n * params.inner + i]) + (1.0 - lambda) * other);
    }
  }
}
