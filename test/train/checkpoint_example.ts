import { float32Tensor } from "../../src/interop/safetensors.ts";
import type { Checkpoint } from "../../src/train/checkpoint.ts";

/** A small checkpoint whose every part depends on the step. */
export function exampleCheckpoint(step: number): Checkpoint {
  return {
    tensors: new Map([
      [
        "model.conv1.weight",
        float32Tensor(
          Float32Array.from({ length: 50 }, (_, i) => i * step),
          [5, 10],
        ),
      ],
      ["adam.m.conv1.weight", float32Tensor(Float32Array.of(step), [1])],
    ]),
    state: {
      epoch: step,
      step: 10 * step,
      stepInEpoch: 0,
      learningRate: 1e-3,
      best: { score: 0.5, epoch: 1 },
      seed: 1314,
      configDigest: "abc",
      config: { TRAIN: { LR: 1e-3 } },
      counters: { adamStep: 10 * step },
    },
  };
}
