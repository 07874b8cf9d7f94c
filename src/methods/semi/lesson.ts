/** What a network learns from another's pass, and how that pass is made and read. */
import { withoutGradient } from "../../autograd/op.ts";
import type { BufferRange } from "../../gpu/device.ts";
import { argmaxPeaks } from "../../kernels/heatmap.ts";
import type { ModelNetwork } from "../../models/network.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** What one network learns from another's teacher pass. */
export interface Lesson {
  /** The teacher's maps, in the frame of its view. */
  taught: Tensor;
  /** Brings `taught` into the students' frame; undefined: it is there. */
  toStudent: BufferRange | undefined;
  /** Joints in the easy view's frame [batch, joints, 3], px. */
  peaks: BufferRange;
  /** What joints count [batch, joints]. */
  weight: BufferRange;
}

/** A pass without gradient that leaves its statistics in a slot. */
export function look({ network }: ModelNetwork, { image, slot }: { image: Tensor; slot: number }): Tensor {
  return withoutGradient(() => network.forward(image, { training: true, groups: 1, slot }));
}

/**
 * Where the maps of the first `batch` samples are largest, [batch, joints, 3]: x, y times `scale`, and the value.
 * @param maps [n, h, w, joints]
 */
export function peaksOf(maps: Tensor, { batch, scale }: { batch: number; scale: number }): BufferRange {
  const [, height = 0, width = 0, joints = 0] = maps.shape;
  const peaks = maps.gpu.allocate(12 * batch * joints, "peaks");
  argmaxPeaks(maps.gpu, { maps: maps.range, peaks, shape: { batch, height, width, joints }, scale });
  return peaks;
}
