/** Inverted dropout whose masks are pure functions of a key on the device. */
import { defineOp } from "../autograd/op.ts";
import { OpError } from "../error.ts";
import { dropoutElements, dropoutFeatures } from "../kernels/dropout.ts";
import { elementCount, shapeText, type Tensor } from "../tensor/tensor.ts";

/** Attributes of a dropout call. */
export interface DropoutOptions {
  /** Chance of an element to be dropped, in [0, 1). */
  probability: number;
  /**
   * [4] u32: seed, stream, epoch, index, as `keyWords` packs them. Data, not a constant: a replayed step gets new masks
   * by writing other words, a resumed one the old masks by writing the old words.
   */
  key: Tensor;
  /** Tells the masks of calls with the same key apart: number the calls of a network. */
  site?: number;
  /** Drops whole channels of a sample (x [n, ..., c]), PyTorch's Dropout2d. */
  features?: boolean;
}

interface Attributes {
  probability: number;
  site: number;
  features: boolean;
}

function masked(x: Tensor, into: Tensor, { key, attributes: { features, ...mask } }: { key: Tensor; attributes: Attributes }): void {
  const call = { x: x.range, y: into.range, key: key.range, ...mask };
  if (!features) {
    dropoutElements(x.gpu, { ...call, count: x.size });
    return;
  }
  const { shape } = x;
  dropoutFeatures(x.gpu, { ...call, batch: shape[0] as number, pixels: elementCount(shape.slice(1, -1)), channels: shape.at(-1) as number });
}

const op = defineOp<Attributes, undefined>({
  name: "dropout",
  infer([x, key], { probability, site, features }) {
    const { shape } = x as Tensor;
    if (!(probability >= 0 && probability < 1)) throw new OpError({ code: "op/dropout", message: `dropout: probability must be in [0, 1), got ${probability}` });
    if (!(Number.isInteger(site) && site >= 0 && site < 2 ** 32)) throw new OpError({ code: "op/dropout", message: `dropout: site must be an integer from 0 to 2^32 - 1, got ${site}` });
    if (key?.dtype !== "u32" || key.size !== 4) {
      throw new OpError({ code: "op/dropout", message: `dropout: key must be u32 [4], got ${key?.dtype} ${shapeText(key?.shape ?? [])}` });
    }
    if (features && shape.length < 2) throw new OpError({ code: "op/dropout", message: `dropout: x must be [n, ..., c] to drop features, got ${shapeText(shape)}` });
    return shape;
  },
  forward([x, key], attributes, output) {
    masked(x as Tensor, output, { key: key as Tensor, attributes });
    return undefined;
  },
  backward(gradient, { inputs: [, key], attributes, target }) {
    const gradX = target(0);
    masked(gradient, gradX, { key: key as Tensor, attributes });
    return [gradX, undefined];
  },
});

/**
 * y = x / (1 - probability) where the mask keeps an element, else 0 (Srivastava et al., JMLR 2014, in the inverted form);
 * for training only: evaluation leaves the call out. The mask is a pure function of key, site and place, so the backward
 * pass computes it again and nothing is stored.
 * @param x any shape. Errors: OpError naming the argument.
 */
export function dropout(x: Tensor, { key, probability, site = 0, features = false }: DropoutOptions): Tensor {
  return op([x, key], { probability, site, features });
}
