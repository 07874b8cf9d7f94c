import { dropout } from "../../src/ops/dropout.ts";
import { keyWords, pcg4d, STREAM } from "../../src/random.ts";
import { persistentTensor, type Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const PROBABILITY = 0.25;
const SEED = 1;
const LANE = pcg4d(STREAM.dropout, 0, 0, 0)[3];
const keys = new WeakMap<Tensor["gpu"], Tensor>();

function keyOf({ gpu }: Tensor): Tensor {
  const key = keys.get(gpu) ?? persistentTensor(gpu, [4], { data: keyWords({ seed: SEED, stream: STREAM.dropout }), dtype: "u32" });
  keys.set(gpu, key);
  return key;
}

function factor(place: number): number {
  const word = pcg4d(SEED, LANE, 0, Math.floor(place / 4))[place % 4] as number;
  return (word >>> 8) / 2 ** 24 < PROBABILITY ? 0 : 1 / (1 - PROBABILITY);
}

export const cases: Case[] = [
  ...opCases({ name: "dropout 8x64x48x64", shapes: [[8, 64, 48, 64]], op: (x) => dropout(x as Tensor, { key: keyOf(x as Tensor), probability: PROBABILITY }), expected: (at, [x]) => factor(at) * (x?.[at] ?? 0) }),
  ...opCases({
    name: "dropout of features 8x64x48x64",
    shapes: [[8, 64, 48, 64]],
    op: (x) => dropout(x as Tensor, { key: keyOf(x as Tensor), probability: PROBABILITY, features: true }),
    expected: (at, [x]) => factor(Math.floor(at / (64 * 48 * 64)) * 64 + (at % 64)) * (x?.[at] ?? 0),
  }),
];
