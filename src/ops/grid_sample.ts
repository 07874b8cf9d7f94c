/** Bilinear sampling of images at given coordinates. */
import { checkDtype, defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { gridSampleBackwardGrid, gridSampleBackwardImage, gridSampleForward, type SampleShape } from "../kernels/grid_sample.ts";
import { shapeText, type Tensor } from "../tensor/tensor.ts";

export interface GridSampleOptions {
  /** What is outside of the image: zeros (default), or its border (coordinates are clamped, and get no gradient there). */
  padding?: "zeros" | "border";
  /** True: -1 and 1 are the centres of the corner pixels. False (default): their outer borders. */
  alignCorners?: boolean;
}

const op = defineOp<GridSampleOptions, SampleShape>({
  name: "gridSample",
  infer([x, grid], { padding = "zeros" }) {
    const [image, coordinates] = [(x as Tensor).shape, (grid as Tensor).shape];
    const fail = (problem: string): never => {
      throw new OpError({ code: "op/gridSample", message: `gridSample: ${problem}` });
    };
    const [n = 0, h = 0, w = 0, c = 0] = image;
    if (image.length !== 4 || h * w === 0) fail(`x must be [n, h, w, c] with at least one pixel, got ${shapeText(image)}`);
    const [batch, height = 0, width = 0, two] = coordinates;
    if (coordinates.length !== 4 || batch !== n || two !== 2) fail(`grid must be [${n}, height, width, 2] for x ${shapeText(image)}, got ${shapeText(coordinates)}`);
    if (padding !== "zeros" && padding !== "border") fail(`padding must be zeros or border, got ${String(padding)}`);
    return [n, height, width, c];
  },
  dtype([x, grid]) {
    checkDtype("gridSample", "grid", { tensor: grid, dtype: "f32" });
    return (x as Tensor).dtype;
  },
  forward([image, coordinates], { padding = "zeros", alignCorners = false }, output) {
    const [x, grid] = [image as Tensor, coordinates as Tensor];
    const [batch = 0, inH = 0, inW = 0, channels = 0] = x.shape;
    const [, height = 0, width = 0] = grid.shape;
    const shape = { batch, inH, inW, channels, pixels: height * width, alignCorners, border: padding === "border" };
    gridSampleForward(x.gpu, { x: x.range, grid: grid.range, y: output.range, shape });
    return shape;
  },
  backward(gradient, { inputs: [image, coordinates], saved: shape, needs, target }) {
    const [x, grid] = [image as Tensor, coordinates as Tensor];
    const gradX = needs[0] ? target(0) : undefined;
    const gradGrid = needs[1] ? target(1) : undefined;
    if (gradX) gridSampleBackwardImage(x.gpu, { gradY: gradient.range, grid: grid.range, gradX: gradX.range, shape });
    if (gradGrid) gridSampleBackwardGrid(x.gpu, { gradY: gradient.range, x: x.range, grid: grid.range, gradGrid: gradGrid.range, shape });
    return [gradX, gradGrid];
  },
});

/**
 * y[n, i, j] = x[n] read at the normalised coordinates grid[n, i, j] = (x, y) between its four neighbours; PyTorch's
 * grid_sample. Gradients to both: the image's has the same bits every time although samples scatter; a coordinate's is
 * zero where it is clamped. A coordinate that is no number lies outside of the image.
 * @param x [n, h, w, c], f32 or f16 @param grid [n, height, width, 2] f32 @returns [n, height, width, c]. Errors: OpError naming the argument.
 */
export function gridSample(x: Tensor, grid: Tensor, options: GridSampleOptions = {}): Tensor {
  return op([x, grid], options);
}
