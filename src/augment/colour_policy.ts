/** RandAugment and TrivialAugment as MultiAugs uses them: which operations are drawn, and what they do at which level. */
import { OpError } from "../error.ts";
import { COLOUR_OPERATION, type ColourChoice, type ColourLevel, packLevels } from "../kernels/augment_colour.ts";

/** Magnitude of RandAugment, 0..30: one, or the ends of a range from which each operation draws. */
export type Magnitude = number | readonly [low: number, high: number];

/** Levels of both, 0..30. */
const LEVELS = 31;
const MOST = LEVELS - 1;

/** PARITY: in f64 and in this order, as the original computes value = magnitude / 30 * (max - min) + min. */
function randLevel(magnitude: number, scale: number): ColourLevel {
  const share = magnitude / MOST;
  return {
    posterizeBits: Math.max(2, 6 - Math.trunc(share * 4)),
    solarizeThreshold: 256 - share * 256,
    addition: share * 110,
    factors: [1 - share * 0.9, 1 + share * 0.9],
    cutoutSide: share * 80 * scale,
  };
}

function trivialLevel(level: number): ColourLevel {
  const factor = 0.1 + (level * 1.8) / MOST;
  return {
    posterizeBits: 8 - Math.trunc((level * 4) / MOST),
    solarizeThreshold: 256 - Math.trunc((level * 256) / MOST),
    addition: 0,
    factors: [factor, factor],
    cutoutSide: 0,
  };
}

/** The levels that `randAugment` and `trivialAugment` choose from. `scale` multiplies the side of CutoutAbs' square, which is in px. */
export function policyLevels(scale: number): Uint32Array<ArrayBuffer> {
  const all = (level: (number: number) => ColourLevel) => Array.from({ length: LEVELS }, (_, number) => level(number));
  return packLevels([...all((magnitude) => randLevel(magnitude, scale)), ...all(trivialLevel)]);
}

/** Any of RandAugment's 11 operations at a magnitude. Errors: OpError for one that is no integer from 0 to 30. Source: multiaugs 3.8. */
export function randAugment(magnitude: Magnitude): ColourChoice {
  const [low, high] = typeof magnitude === "number" ? [magnitude, magnitude] : magnitude;
  const whole = [low, high].every((end) => Number.isInteger(end) && end >= 0 && end <= MOST);
  if (!whole || low > high) {
    throw new OpError({
      code: "augment/magnitude",
      message: `RandAugment: magnitude must be an integer from 0 to ${MOST} or two in ascending order, got ${JSON.stringify(magnitude)}`,
    });
  }
  return {
    firstOperation: COLOUR_OPERATION.autoContrast,
    operationCount: COLOUR_OPERATION.cutoutAbs - COLOUR_OPERATION.autoContrast + 1,
    firstLevel: low,
    levelCount: high - low + 1,
  };
}

/** Any of TrivialAugment's 9 operations at any level. Source: multiaugs 3.9. */
export function trivialAugment(): ColourChoice {
  return { firstOperation: COLOUR_OPERATION.identity, operationCount: COLOUR_OPERATION.sharpness + 1, firstLevel: LEVELS, levelCount: LEVELS };
}
