/** Initial values of learned tensors, as PyTorch's layers and the source systems draw them. */
import type { Random } from "../random.ts";

/** Fills `values` from its own random stream. */
export type Initialiser = (values: Float32Array, random: Random) => void;

export function constant(value: number): Initialiser {
  return (values) => {
    values.fill(value);
  };
}

export function normal(deviation: number): Initialiser {
  return (values, random) => {
    for (let i = 0; i < values.length; i++) values[i] = deviation * random.normal();
  };
}

/** Uniform in ±1/sqrt(fanIn): PyTorch's default for convolution weights and biases. */
export function uniformFanIn(fanIn: number): Initialiser {
  const bound = 1 / Math.sqrt(fanIn);
  return (values, random) => {
    for (let i = 0; i < values.length; i++) values[i] = random.range(-bound, bound);
  };
}
