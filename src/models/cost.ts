/** What a pass through a network costs, from its shapes alone. */
import { outline } from "../autograd/op.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Multiplications of the convolutions and linear layers of one pass; each with its addition is one, as papers count "FLOPs". */
export interface ForwardCost {
  /** 10^9; a deconvolution counts what it multiplies, every input pixel with every weight. */
  readonly gigaMacs: number;
  /**
   * 2^30, as the repositories of the HRNet family print it: weights times output pixels, which counts a deconvolution of
   * stride 2 four times over.
   */
  readonly printedGigaMacs: number;
}

/** Multiplications for one image of the given size. The network needs no memory. @param forward one pass over [1, h, w, 3] */
export function forwardCost(forward: (x: Tensor) => unknown, [width, height]: readonly [width: number, height: number]): ForwardCost {
  const counts = outline(() => void forward(new Tensor(undefined, { shape: [1, height, width, 3], label: "image" })));
  const [convolutions, deconvolutions, linears] = ["conv2d", "deconv2d", "linear"].map((name) => counts.get(name) ?? 0) as [number, number, number];
  return { gigaMacs: (convolutions + deconvolutions + linears) / 1e9, printedGigaMacs: (convolutions + 4 * deconvolutions + linears) / 2 ** 30 };
}
