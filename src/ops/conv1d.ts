/** 1-d convolution over sequences [n, l, c], weights [k, ci / groups, co]. */
import type { GemmForce } from "../kernels/gemm_plan.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { defineConvolution } from "./conv2d.ts";

/** Attributes of a convolution along one axis. */
export interface Conv1dOptions {
  bias?: Tensor | undefined;
  stride?: number;
  padding?: number;
  /** Positions of x from one tap to the next. */
  dilation?: number;
  /** Parts that the channels of x and y are cut into; y's see only the part of x that has their place. */
  groups?: number;
  /** Forces an algorithm, for tests and benches; there is no choice where groups are more than one. */
  force?: GemmForce;
}

const op = defineConvolution("conv1d", 1);

/**
 * y[n, i, q] = sum x[n, i*s - p + a*d, g + c] w[a, c, q] (+ bias[q]), g the first channel of q's group.
 * @param x [n, l, ci]  @param weight [k, ci / groups, co]
 * @returns [n, floor((l + 2p - d*(k - 1) - 1)/s) + 1, co]. Errors: OpError naming the argument.
 */
export function conv1d(x: Tensor, weight: Tensor, options: Conv1dOptions = {}): Tensor {
  return op(options.bias ? [x, weight, options.bias] : [x, weight], {
    stride: [1, options.stride ?? 1],
    padding: [0, options.padding ?? 0],
    dilation: [1, options.dilation ?? 1],
    groups: options.groups ?? 1,
    force: options.force,
  });
}
