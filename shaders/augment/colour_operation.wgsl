// The colour operation of each sample and what it needs: one workgroup per sample draws operation and level, takes the
// histogram where the operation asks for one, and writes a row of `operations` and of `tables`.
// operations [batch, 3, 4]: how a pixel is made (PIXEL_*) and the base of a blend; rectangle to fill; rectangle to write, both
// [x0, y0, x1, y1). tables [batch, 256]: a word per byte value: new bytes of the three channels; for blends the bits of
// factor * value. levels [any, 6]: bits kept by Posterize as a mask, threshold of Solarize, addition of SolarizeAdd, the bits
// of both factors of the enhancers and of CutoutAbs' side.
// What is done is Pillow 9's arithmetic. Layout: x by `pixel`, keys one key. Grid: [batch, 1, 1].
const HALF: bool = false; // spec, YOCO: the sample writes its lower or right half
const BINS: u32 = 256u;
const LEVEL_WORDS: u32 = 6u;
struct Params {
  batch: u32, width: u32, height: u32, site: u32, place: u32,
  first_operation: u32, operation_count: u32, first_level: u32, level_count: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> levels: array<u32>;
@group(0) @binding(4) var<storage, read_write> operations: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> tables: array<u32>;

var<workgroup> counts: array<atomic<u32>, 768>;
var<workgroup> lowest: array<atomic<u32>, 3>;
var<workgroup> highest: array<atomic<u32>, 3>;
var<workgroup> luma_sum: atomic<u32>;

// Table entry of Equalize for one channel.
fn equalised(value: u32, channel: u32) -> u32 {
  let last = atomicLoad(&counts[channel * BINS + atomicLoad(&highest[channel])]);
  let step = (params.width * params.height - last) / 255u;
  if (step == 0u) { return value; }
  var sum = step / 2u;
  for (var i = 0u; i < value; i++) { sum += atomicLoad(&counts[channel * BINS + i]); }
  return min(sum / step, 255u);
}

fn new_byte(operation: u32, value: u32, channel: u32, level: u32) -> u32 {
  switch operation {
    case AUTO_CONTRAST: { return stretched(value, atomicLoad(&lowest[channel]), atomicLoad(&highest[channel])); }
    case EQUALIZE: { return equalised(value, channel); }
    case INVERT: { return 255u - value; }
    case POSTERIZE: { return value & levels[level]; }
    case SOLARIZE: { return select(value, 255u - value, value >= levels[level + 1u]); }
    case SOLARIZE_ADD: {
      let sum = min(value + levels[level + 2u], 255u);
      return select(sum, 255u - sum, sum >= 128u);
    }
    default: { return value; }
  }
}

// Square of CutoutAbs: centre uniform between 1 and the side of the image, the far edge is part of it.
fn filled(word: vec4<u32>, side: f32) -> vec4<u32> {
  let size = vec2<f32>(f32(params.width), f32(params.height));
  let centre = size + (1.0 - size) * vec2<f32>(unit(word.x), unit(word.y));
  let low = floor(max(vec2<f32>(0.0), centre - 0.5 * side));
  return vec4<u32>(vec2<u32>(low), vec2<u32>(min(size, low + side)) + 1u);
}

fn written(n: u32) -> vec4<u32> {
  if (!HALF) { return vec4<u32>(0u, 0u, params.width, params.height); }
  let lower = words(n, BATCH_COUNTERS).x < 0x80000000u;
  return vec4<u32>(select(params.width / 2u, 0u, lower), select(0u, params.height / 2u, lower), params.width, params.height);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let n = group.x;
  let word = words(n, 2u * params.place);
  let operation = params.first_operation + below(word.x, params.operation_count);
  let level = LEVEL_WORDS * (params.first_level + below(word.y, params.level_count));

  for (var c = 0u; c < 3u; c++) { atomicStore(&counts[c * BINS + lane], 0u); }
  if (lane < 3u) {
    atomicStore(&lowest[lane], 255u);
    atomicStore(&highest[lane], 0u);
  }
  if (lane == 0u) { atomicStore(&luma_sum, 0u); }
  workgroupBarrier();

  let pixels = params.width * params.height;
  if (operation == AUTO_CONTRAST || operation == EQUALIZE) {
    for (var i = lane; i < pixels; i += BINS) {
      let p = pixel(n * pixels + i);
      atomicAdd(&counts[p.x], 1u);
      atomicAdd(&counts[BINS + p.y], 1u);
      atomicAdd(&counts[2u * BINS + p.z], 1u);
    }
  }
  if (operation == CONTRAST) {
    var sum = 0u;
    for (var i = lane; i < pixels; i += BINS) { sum += luma(pixel(n * pixels + i)); }
    atomicAdd(&luma_sum, sum);
  }
  workgroupBarrier();
  for (var c = 0u; c < 3u; c++) {
    if (atomicLoad(&counts[c * BINS + lane]) > 0u) {
      atomicMin(&lowest[c], lane);
      atomicMax(&highest[c], lane);
    }
  }
  workgroupBarrier();

  let enhances = operation >= COLOR && operation <= SHARPNESS;
  if (enhances) {
    // A kernel of its own reads the products, so that no compiler joins product and sum to one rounding.
    let factor = bitcast<f32>(select(levels[level + 3u], levels[level + 4u], word.z >= 0x80000000u));
    tables[n * BINS + lane] = bitcast<u32>(factor * f32(lane));
  } else {
    var entry = 0u;
    for (var c = 0u; c < 3u; c++) { entry |= new_byte(operation, lane, c, level) << (8u * c); }
    tables[n * BINS + lane] = entry;
  }
  if (lane > 0u) { return; }
  var making = PIXEL_TABLE;
  switch operation {
    case COLOR: { making = PIXEL_FROM_GREY; }
    case CONTRAST, BRIGHTNESS: { making = PIXEL_FROM_CONSTANT; }
    case SHARPNESS: { making = PIXEL_FROM_SMOOTH; }
    case CUTOUT_ABS: { making = PIXEL_FILLED; }
    default: {}
  }
  // Contrast starts from the mean grey level, rounded; brightness from black.
  let mean_grey = (2u * atomicLoad(&luma_sum) + pixels) / (2u * pixels);
  operations[3u * n] = vec4<u32>(making, select(0u, mean_grey, operation == CONTRAST), 0u, 0u);
  operations[3u * n + 1u] = filled(words(n, 2u * params.place + 1u), bitcast<f32>(levels[level + 5u]));
  operations[3u * n + 2u] = written(n);
}
