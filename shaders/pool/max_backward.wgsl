// dx[n, h, w, c] = sum of dy over the windows whose maximum was this pixel; gathered, so nothing is added atomically.
// One invocation keeps a row h and a channel c and walks along w, so that divisions are few.
// Layout as in pool/max_forward. Grid: linear over batch * in_h * channels.
const WORKGROUP: u32 = 64u; // spec
struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, out_h: u32, out_w: u32,
  kernel: u32, stride: u32, pad: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read> tap: array<u32>;
@group(0) @binding(3) var<storage, read_write> dx: array<Elem>;

// First window along an axis that reaches a padded position.
fn first_window(position: u32) -> u32 {
  return select(0u, (position - params.kernel) / params.stride + 1u, position >= params.kernel);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let at = linear_index(group, groups, lane, WORKGROUP);
  if (at >= params.batch * params.in_h * params.channels) { return; }
  let c = at % params.channels;
  let line = at / params.channels;
  let h = line % params.in_h;
  let n = line / params.in_h;
  let top = h + params.pad;
  let first_i = first_window(top);
  let last_i = min(top / params.stride, params.out_h - 1u);
  // Windows first_j..last_j reach column w; both move on with w.
  var first_j = 0u;
  var last_j = 0u;
  for (var w = 0u; w < params.in_w; w++) {
    let left = w + params.pad;
    if (left >= first_j * params.stride + params.kernel) { first_j += 1u; }
    while (last_j + 1u < params.out_w && (last_j + 1u) * params.stride <= left) { last_j += 1u; }
    var sum = 0.0;
    for (var i = first_i; i <= last_i; i++) {
      let tap_row = (top - i * params.stride) * params.kernel;
      for (var j = first_j; j <= last_j; j++) {
        let source = ((n * params.out_h + i) * params.out_w + j) * params.channels + c;
        if (tap[source] == tap_row + left - j * params.stride) { sum += widen(dy[source]); }
      }
    }
    dx[(line * params.in_w + w) * params.channels + c] = narrow(sum);
  }
}
