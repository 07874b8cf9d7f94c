/** One step of an optimiser over a stretch of flat arenas: what Adam, SGD and RMSprop have in common. */
import type { BufferRange } from "../gpu/device.ts";

/** Arenas and where a step's numbers are; what changes from step to step is in `rows` and `gradientScale`. */
export interface StepCall {
  parameters: BufferRange;
  gradients: BufferRange;
  /** Four numbers per parameter group, [groups, 4] f32; their meaning is the optimiser's. */
  rows: BufferRange;
  /** The row that counts here. */
  row: number;
  /** One f32 that every gradient is multiplied by as it is read; where it is negative the step changes nothing. */
  gradientScale: BufferRange;
  /** The stretch of all arenas alike, in bytes from their beginning; not more than one binding. */
  stretch: { offset: number; bytes: number };
}

/** The stretch's part of an arena. */
export function stretchOf({ stretch: { offset, bytes } }: Pick<StepCall, "stretch">, arena: BufferRange): BufferRange {
  return { allocation: arena.allocation, offset: arena.offset + offset, bytes };
}

/** Buffers that every step binds. */
export function commonBuffers(call: StepCall) {
  return { p: stretchOf(call, call.parameters), g: stretchOf(call, call.gradients), rows: call.rows, gradient_scale: call.gradientScale };
}

/** Their declaration. */
export const COMMON = { p: "read_write", g: "read", rows: "read", gradient_scale: "read" } as const;
