// out = (mean of the peaks' values, share of peaks below `flat_below`), over all samples and the joints that count.
// n: sample; joint. Layout: peaks [batch, joints, 3] (x, y, value), shares [joints]: 1/(batch * counted joints) or 0,
// out [2]. Grid: one workgroup; lanes stride over batch * joints, and their sums are added in order of the lanes.
const WORKGROUP: u32 = 64u; // spec
struct Params { batch: u32, joints: u32, flat_below: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> peaks: array<f32>;
@group(0) @binding(2) var<storage, read> shares: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> partial: array<vec2<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
  var own = vec2<f32>(0.0);
  for (var i = lane; i < params.batch * params.joints; i += WORKGROUP) {
    let value = peaks[3u * i + 2u];
    own += shares[i % params.joints] * vec2<f32>(value, select(0.0, 1.0, value < params.flat_below));
  }
  partial[lane] = own;
  workgroupBarrier();
  if (lane > 0u) { return; }
  var total = vec2<f32>(0.0);
  for (var k = 0u; k < WORKGROUP; k++) { total += partial[k]; }
  out[0] = total.x;
  out[1] = total.y;
}
