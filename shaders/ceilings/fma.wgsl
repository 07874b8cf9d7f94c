// Fused multiply-adds on registers alone, what arithmetic in f32 reaches at best: y[i] is the sum of eight chains a = a b + c,
// whose start, b and c come from x, so that no compiler knows them.
// i: invocation; each does 8 * 16 * rounds of them. Layout: x is [b, c, start]. Grid: linear, one invocation per y.
const WORKGROUP: u32 = 64u; // spec
struct Params { rounds: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn four(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>) -> vec4<f32> {
  return fma(fma(fma(fma(a, b, c), b, c), b, c), b, c);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let b = vec4<f32>(x[0]);
  let c = vec4<f32>(x[1]);
  var one = vec4<f32>(0.0, 1.0, 2.0, 3.0) * x[2];
  var two = one + 4.0 * x[2];
  for (var round = 0u; round < params.rounds; round++) {
    one = four(four(four(four(one, b, c), b, c), b, c), b, c);
    two = four(four(four(four(two, b, c), b, c), b, c), b, c);
  }
  let sums = one + two;
  y[id.x] = sums.x + sums.y + sums.z + sums.w;
}
