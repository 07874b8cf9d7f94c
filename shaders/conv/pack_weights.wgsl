// Reorders convolution weights for a product that reads them as a dense [depth, columns] matrix.
// BY_PARITY: packed[phase][t reversed][u reversed][i][o] where phase (ph, pw) holds the taps that reach output parity ph
// (gemm/taps.wgsl, gemm/phase_transposed.wgsl); otherwise packed[kh][kw][i][o].
// Axes: kh, kw taps; i = in_c channels that the product contracts; o = out_c channels that it produces; rows of `packed`
// are `stride` elements apart, the gap is never read. Each invocation keeps tap and o and walks a run of RUN channels i, so
// that the taps are found once and swapped channels are read line by line of the cache.
// Layout: w is [kh, kw, i, o], or [kh, kw, o, i] with SWAP_CHANNELS. Grid: linear over kh * kw * ceil(in_c / RUN) * out_c.
const SWAP_CHANNELS: bool = false; // spec
const BY_PARITY: bool = true; // spec
const DILATED: bool = false; // spec
const RUN: u32 = 16u; // spec
const WORKGROUP: u32 = 64u; // spec
struct Params {
  kernel_h: u32, kernel_w: u32, in_c: u32, out_c: u32,
  stride_h: u32, stride_w: u32, pad_h: u32, pad_w: u32, dilation_h: u32, dilation_w: u32,
  stride: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = linear_index(group, groups, lane, WORKGROUP);
  let runs = (params.in_c + RUN - 1u) / RUN;
  var slot = i / (runs * params.out_c);
  if (slot >= params.kernel_h * params.kernel_w) { return; }
  let packed_tap = slot * params.in_c;
  let rest = i - slot * runs * params.out_c;
  let run = rest / params.out_c;
  let to_c = rest - run * params.out_c;

  var kh = slot / params.kernel_w;
  var kw = slot % params.kernel_w;
  if (BY_PARITY) {
    for (var z = 0u; z < params.stride_h * params.stride_w; z++) {
      let taps_h = taps_of(params.kernel_h, params.stride_h, params.dilation_h, (z / params.stride_w + params.pad_h) % params.stride_h);
      let taps_w = taps_of(params.kernel_w, params.stride_w, params.dilation_w, (z % params.stride_w + params.pad_w) % params.stride_w);
      if (slot < taps_h.count * taps_w.count) {
        kh = taps_h.first + taps_h.step * (taps_h.count - 1u - slot / taps_w.count);
        kw = taps_w.first + taps_w.step * (taps_w.count - 1u - slot % taps_w.count);
        break;
      }
      slot -= taps_h.count * taps_w.count;
    }
  }
  let tap = (kh * params.kernel_w + kw) * params.in_c * params.out_c;
  let end = min(run * RUN + RUN, params.in_c);
  for (var from_c = run * RUN; from_c < end; from_c++) {
    packed[(packed_tap + from_c) * params.stride + to_c] = w[tap + select(from_c * params.out_c + to_c, to_c * params.in_c + from_c, SWAP_CHANNELS)];
  }
}
