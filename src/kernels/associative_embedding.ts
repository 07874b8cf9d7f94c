/** Associative embedding: tags of one person pulled together, of several pushed apart. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { fill } from "./elementwise.ts";
import { spanGrid } from "./span.ts";

const PLACES = ["loss/ae_places.wgsl", "lib/span.wgsl", "lib/divide.wgsl"];
const PLACED = { batch: "u32", people: "u32", slots: "u32", size: "u32" } as const;

const personsKernel = defineKernel({
  name: "loss/ae_persons",
  fragments: ["loss/ae_persons.wgsl", ...PLACES],
  buffers: { tags: "read", index: "read", persons: "read_write" },
  uniforms: PLACED,
});
const imagesKernel = defineKernel({
  name: "loss/ae_images",
  fragments: ["loss/ae_images.wgsl", "loss/ae_push.wgsl", "lib/span.wgsl"],
  buffers: { persons: "read", loss: "read_write" },
  uniforms: { batch: "u32", people: "u32" },
});
const slopesKernel = defineKernel({
  name: "loss/ae_slopes",
  fragments: ["loss/ae_slopes.wgsl", "loss/ae_push.wgsl", "lib/span.wgsl", "lib/divide.wgsl"],
  buffers: { persons: "read", dy: "read", slopes: "read_write" },
  uniforms: { batch: "u32", people: "u32" },
});
const scatterKernel = defineKernel({
  name: "loss/ae_scatter",
  fragments: ["loss/ae_scatter.wgsl", ...PLACES],
  buffers: { tags: "read", index: "read", persons: "read", slopes: "read", gradient: "read_write" },
  uniforms: PLACED,
});

/** Sizes: tags [batch, size], places of joints [batch, people, slots]. */
export interface TagShape {
  batch: number;
  people: number;
  slots: number;
  size: number;
}

/** Bytes of what the forward pass keeps of every person: joints, mean and spread of their tags. */
export function personBytes({ batch, people }: TagShape): number {
  return 16 * batch * people;
}

/** loss [2, batch] = pull and push; `persons` [batch, people] is kept for the gradient. */
export function tagLoss(
  gpu: Gpu,
  { tags, index, persons, loss, hinge, shape }: { tags: BufferRange; index: BufferRange; persons: BufferRange; loss: BufferRange; hinge: boolean; shape: TagShape },
): void {
  const { batch, people, slots } = shape;
  gpu.run(personsKernel, { buffers: { tags, index, persons }, uniforms: { ...shape }, workgroups: spanGrid(gpu, batch * people, slots) });
  gpu.run(imagesKernel, { buffers: { persons, loss }, uniforms: { batch, people }, spec: { HINGE: hinge }, workgroups: [Math.min(65535, Math.ceil(batch / 8)), 1, 1] });
}

/** gradient [batch, size] of the tags, for the incoming gradient dy [2, batch]; zero where no joint is. */
export function tagLossGradient(
  gpu: Gpu,
  call: { tags: BufferRange; index: BufferRange; persons: BufferRange; dy: BufferRange; gradient: BufferRange; hinge: boolean; shape: TagShape },
): void {
  const { tags, index, persons, dy, gradient, hinge, shape } = call;
  const { batch, people, slots, size } = shape;
  const slopes = gpu.allocate(8 * batch * people, "tag slopes");
  gpu.run(slopesKernel, { buffers: { persons, dy, slopes }, uniforms: { batch, people }, spec: { HINGE: hinge }, workgroups: spanGrid(gpu, batch * people, people) });
  fill(gpu, { out: gradient, count: batch * size, value: 0 });
  gpu.run(scatterKernel, { buffers: { tags, index, persons, slopes, gradient }, uniforms: { ...shape }, workgroups: spanGrid(gpu, batch * people * slots, people) });
}
