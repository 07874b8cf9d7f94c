// out[0] = share of right joints: the mean over joints of the share of samples whose predicted peak is nearer than half a tenth of
// the map to the target's. Only targets with x > 1 and y > 1 count, and only joints that have one; -1 where none has.
// PARITY: x is divided by a tenth of the height and y by a tenth of the width, as the original does (multiaugs D-33).
// n: sample; joint. Layout: prediction, expected [batch, joints, 3] (x, y, value) in cells, out [1].
// Grid: one workgroup; lanes stride over joints, and their sums are added in order of the lanes.
const WORKGROUP: u32 = 32u; // spec
struct Params { batch: u32, joints: u32, width: f32, height: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read> expected: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> partial: array<vec2<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
  var own = vec2<f32>(0.0);
  for (var joint = lane; joint < params.joints; joint += WORKGROUP) {
    var right = 0.0;
    var counted = 0.0;
    for (var n = 0u; n < params.batch; n++) {
      let i = 3u * (n * params.joints + joint);
      let x = (prediction[i] - expected[i]) * 10.0 / params.height;
      let y = (prediction[i + 1u] - expected[i + 1u]) * 10.0 / params.width;
      if (expected[i] > 1.0 && expected[i + 1u] > 1.0) {
        counted += 1.0;
        right += select(0.0, 1.0, sqrt(x * x + y * y) < 0.5);
      }
    }
    if (counted > 0.0) { own += vec2<f32>(right / counted, 1.0); }
  }
  partial[lane] = own;
  workgroupBarrier();
  if (lane > 0u) { return; }
  var total = vec2<f32>(0.0);
  for (var k = 0u; k < WORKGROUP; k++) { total += partial[k]; }
  out[0] = select(-1.0, total.x / max(total.y, 1.0), total.y > 0.0);
}
