import type { StatisticsPlace } from "../../src/kernels/batchnorm.ts";
import { batchnorm } from "../../src/ops/batchnorm.ts";
import type { Shape, Tensor } from "../../src/tensor/tensor.ts";
import { type Case, opCases } from "../case.ts";

const places = new WeakMap<Tensor["gpu"], Map<number, StatisticsPlace>>();

/** Running statistics 0 and 1 of one layer. */
function placeOf(gpu: Tensor["gpu"], channels: number): StatisticsPlace {
  const own = places.get(gpu) ?? new Map<number, StatisticsPlace>();
  places.set(gpu, own);
  const place = own.get(channels) ?? {
    running: gpu.upload(new Float32Array(2 * channels).fill(1, channels), "running statistics"),
    batch: gpu.persistent(8 * channels, "batch statistics"),
    arenaChannels: channels,
    arenaOffset: 0,
  };
  own.set(channels, place);
  return place;
}

function rows(name: string, shape: Shape, training: boolean): Case[] {
  const channels = shape.at(-1) as number;
  return opCases({
    name: `batchnorm ${name}`,
    shapes: [shape, [channels], [channels]],
    op: (...inputs) => {
      const [x, gamma, beta] = inputs as [Tensor, Tensor, Tensor];
      return batchnorm(x, { gamma, beta, place: placeOf(x.gpu, channels), training, groups: 1, slot: 0 });
    },
    expected(at, [x = new Float32Array(), gamma, beta]) {
      const channel = at % channels;
      let [mean, variance] = [0, 1];
      if (training) {
        const count = x.length / channels;
        for (let i = channel; i < x.length; i += channels) mean += (x[i] as number) / count;
        variance = 0;
        for (let i = channel; i < x.length; i += channels) variance += ((x[i] as number) - mean) ** 2 / count;
      }
      return (((x[at] as number) - mean) / Math.sqrt(variance + 1e-5)) * (gamma?.[channel] ?? 0) + (beta?.[channel] ?? 0);
    },
  });
}

export const cases: Case[] = [...rows("8x64x48x64", [8, 64, 48, 64], true), ...rows("frozen 8x64x48x64", [8, 64, 48, 64], false), ...rows("1d 1024x1024", [1024, 1024], true)];
