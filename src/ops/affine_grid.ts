/** Sampling coordinates of affine maps. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { affineGridBackward, affineGridForward, type GridShape } from "../kernels/affine_grid.ts";
import { shapeText, type Tensor } from "../tensor/tensor.ts";

/** The image that is to be sampled onto. */
export interface AffineGridOptions {
  /** Pixels. */
  height: number;
  /** Pixels. */
  width: number;
  /** True: -1 and 1 are the centres of the corner pixels. False (default): their outer borders. */
  alignCorners?: boolean;
}

interface Saved {
  shape: GridShape;
  alignCorners: boolean;
}

const op = defineOp<AffineGridOptions, Saved>({
  name: "affineGrid",
  infer([theta], { height, width }) {
    const { shape } = theta as Tensor;
    const [n = 0, rows, columns] = shape;
    if (shape.length !== 3 || rows !== 2 || columns !== 3) throw new OpError({ code: "op/affineGrid", message: `affineGrid: theta must be [n, 2, 3], got ${shapeText(shape)}` });
    for (const [name, value] of [["height", height], ["width", width]] as const) {
      if (!(Number.isInteger(value) && value >= 1)) throw new OpError({ code: "op/affineGrid", message: `affineGrid: ${name} must be an integer of at least 1, got ${value}` });
    }
    return [n, height, width, 2];
  },
  forward([input], { height, width, alignCorners = false }, output) {
    const theta = input as Tensor;
    const shape = { batch: theta.shape[0] ?? 0, height, width };
    affineGridForward(theta.gpu, { theta: theta.range, grid: output.range, shape, alignCorners });
    return { shape, alignCorners };
  },
  backward(gradient, { saved, target }) {
    const gradTheta = target(0);
    affineGridBackward(gradient.gpu, { gradGrid: gradient.range, gradTheta: gradTheta.range, ...saved });
    return [gradTheta];
  },
});

/**
 * grid[n, i, j] = theta_n (x_j, y_i, 1): where each pixel of an image of height x width is to be read, for gridSample.
 * x_j = (2j + 1)/width - 1, or 2j/(width - 1) - 1 with alignCorners; y_i alike. PyTorch's affine_grid.
 * @param theta [n, 2, 3] @returns [n, height, width, 2], (x, y). Errors: OpError naming the argument.
 */
export function affineGrid(theta: Tensor, options: AffineGridOptions): Tensor {
  return op([theta], options);
}
