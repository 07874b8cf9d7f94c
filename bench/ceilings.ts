/** What an adapter reaches here at best: a copy and a plain product, measured at the start of a table. */
import type { Gpu } from "../src/gpu/device.ts";
import { convForward, convFlops } from "../src/kernels/conv.ts";
import { addInto } from "../src/kernels/elementwise.ts";
import { timeReplay, uploadRandom } from "./case.ts";
import { square } from "./problems.ts";

/** The adapter's ceilings by our own kernels. */
export interface Ceilings {
  /** Read and written together. */
  copyGbytes: number;
  gemmGflops: number;
}

/** Bytes of the copy, beyond the caches; side of the product. */
const SIZES = { hardware: { bytes: 2 ** 28, side: 4096 }, software: { bytes: 2 ** 26, side: 1024 } } as const;

/** Measures both. */
export function measureCeilings(gpu: Gpu): Ceilings {
  const { bytes, side } = SIZES[gpu.info.kind === "hardware" ? "hardware" : "software"];
  const [from, to] = ["from", "to"].map((label) => gpu.persistent(bytes, label)) as [ReturnType<Gpu["persistent"]>, ReturnType<Gpu["persistent"]>];
  const copyMs = timeReplay(gpu, () => addInto(gpu, { a: from, b: undefined, out: to, count: bytes / 4 }));
  for (const range of [from, to]) gpu.free(range);
  const { shape } = square(side);
  const [x, w] = [1, 2].map((stream) => uploadRandom(gpu, side * side, stream).range) as [typeof from, typeof from];
  const y = gpu.persistent(4 * side * side, "product");
  const gemmMs = timeReplay(gpu, () => convForward(gpu, { x, w, y, shape }));
  for (const range of [x, w, y]) gpu.free(range);
  return { copyGbytes: (2 * bytes) / copyMs / 1e6, gemmGflops: convFlops(shape) / gemmMs / 1e6 };
}
