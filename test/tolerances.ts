/**
 * Every tolerance of the tests, with its reason. `relative` is relative to the largest expected value of the compared
 * array; an element passes when |actual - expected| <= absolute + relative * largest.
 */
export const TOLERANCES = {
  kernel: { absolute: 1e-6, relative: 2e-6, reason: "f32 sums of up to a few thousand products against an f64 reference" },
  longSum: { absolute: 1e-6, relative: 1e-5, reason: "f32 sums over a whole batch of pixels" },
  exact: { absolute: 0, relative: 0, reason: "integer arithmetic, or the same operations in the same order" },
  transcendental: { absolute: 2e-6, relative: 1e-5, reason: "exp, log, sin, pow of drivers: WGSL allows them a few units in the last place to 1e-6 absolute" },
  warp: { absolute: 1e-5, relative: 1e-4, reason: "bilinear weights from f32 coordinates: an error of 1e-5 px times the image's steepness" },
  gradientCheck: { absolute: 1e-4, relative: 1e-2, reason: "central differences of an f32 function" },
  adjoint: { absolute: 0, relative: 1e-5, reason: "two f32 inner products of the same numbers in another order" },
  torchLayer: { absolute: 1e-6, relative: 1e-5, reason: "one block against PyTorch's f32" },
  torchNetwork: { absolute: 1e-6, relative: 1e-4, reason: "a whole network against PyTorch's f32 (outputs)" },
  torchGradient: { absolute: 1e-6, relative: 1e-3, reason: "gradients through a whole network against PyTorch's f32" },
  torchSteps: { absolute: 1e-6, relative: 1e-4, reason: "losses and statistics of ten Adam steps, where PyTorch's f32 and f64 differ by 2e-6" },
  torchFullSteps: { absolute: 1e-6, relative: 1e-3, reason: "the same at the published width, where a batch of 4 leaves 16 values to the last batchnorms and PyTorch's f32 and f64 differ by 7e-5" },
  graph: { absolute: 2e-4, relative: 5e-4, reason: "chains of up to fifteen f32 functions with drivers' coarse exp and sin, against f64" },
  half: { absolute: 1e-6, relative: 1e-3, reason: "one op on f16 storage against f32 on the same numbers: results are rounded to 11 bits, 5e-4" },
  halfNetwork: { absolute: 1e-6, relative: 1e-2, reason: "chains of layers on f16 storage against f32: 5e-4 at each, more where relu gates close on the other side" },
  passes: { absolute: 1e-7, relative: 1e-4, reason: "gradients of merged and separate passes are summed in another order" },
} as const;

export type ToleranceName = keyof typeof TOLERANCES;
