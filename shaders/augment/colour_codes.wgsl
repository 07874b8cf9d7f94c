// Operations; TrivialAugment draws from the first nine, RandAugment from all but identity.
const IDENTITY: u32 = 0u;
const AUTO_CONTRAST: u32 = 1u;
const EQUALIZE: u32 = 2u;
const SOLARIZE: u32 = 3u;
const POSTERIZE: u32 = 4u;
const COLOR: u32 = 5u;
const CONTRAST: u32 = 6u;
const BRIGHTNESS: u32 = 7u;
const SHARPNESS: u32 = 8u;
const INVERT: u32 = 9u;
const SOLARIZE_ADD: u32 = 10u;
const CUTOUT_ABS: u32 = 11u;

// How a pixel is made: by a table per channel, as a blend from the grey pixel, from one grey level or from the smoothed
// pixel towards itself, or filled.
const PIXEL_TABLE: u32 = 0u;
const PIXEL_FROM_GREY: u32 = 1u;
const PIXEL_FROM_CONSTANT: u32 = 2u;
const PIXEL_FROM_SMOOTH: u32 = 3u;
const PIXEL_FILLED: u32 = 4u;
