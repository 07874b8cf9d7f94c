/** Products of matrices on the GEMM family: batched, either operand transposed, summed over the batch for gradients. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { defineKernel } from "../gpu/kernel.ts";
import { copyStrided } from "./copy_strided.ts";
import { adapterClass, gridSlices, padColumns, perCore, rowSlices, storeHalf, sumSlices } from "./gemm.ts";
import { COLUMN_PADDING, type GemmForce, planGemm, planSplits, wantsPaddedColumns } from "./gemm_plan.ts";

/** C[rows, columns] = A[rows, depth] B[depth, columns], `batch` times. All matrices are dense, one behind the other. */
export interface MatrixProduct {
  rows: number;
  columns: number;
  depth: number;
  batch: number;
  /** A is stored [depth, rows]; it is read in place. */
  transposeA: boolean;
  /** B is stored [columns, depth]; it is packed first. */
  transposeB: boolean;
  /** There is one A (one B) for the whole batch. */
  sharedA: boolean;
  sharedB: boolean;
  /** C is one matrix, the sum of the products; neither operand is shared then. */
  summed: boolean;
}

const UNIFORMS = {
  rows: "u32",
  columns: "u32",
  b_stride: "u32",
  row_offset: "u32",
  phase_offset: "u32",
  batch: "u32",
  splits: "u32",
  segments: "u32",
  segment_length: "u32",
  a_batch: "u32",
  a_segment: "u32",
  a_row: "u32",
  a_depth: "u32",
  b_batch: "u32",
} as const;

const VIEWS = ["gemm/phase_matmul.wgsl", "gemm/a_matrix.wgsl", "gemm/b_rows.wgsl", "gemm/c_matrix.wgsl", "lib/scalar.wgsl", "lib/divide.wgsl"];

const plainKernel = perCore((core) =>
  defineKernel({
    name: "gemm/matmul",
    fragments: [...core, ...VIEWS, "gemm/epilogue_none.wgsl"],
    buffers: { a: "read", b: "read", c: "read_write" },
    uniforms: UNIFORMS,
  }),
);

const biasKernel = perCore((core) =>
  defineKernel({
    name: "gemm/matmul_bias",
    fragments: [...core, ...VIEWS, "gemm/epilogue_bias.wgsl"],
    buffers: { a: "read", b: "read", c: "read_write", bias: "read" },
    uniforms: UNIFORMS,
  }),
);

/** How the kernel walks through A: products, runs of depth in each, and steps in elements. */
function walkOf({ rows, depth, batch, transposeA, sharedA, sharedB, summed }: MatrixProduct) {
  if (summed && !transposeA) return { rows, batch: 1, segments: batch, length: depth, aBatch: 0, aSegment: rows * depth, aRow: depth, aDepth: 1 };
  // Transposed matrices one behind the other are one transposed matrix of more depth.
  if (summed) return { rows, batch: 1, segments: 1, length: batch * depth, aBatch: 0, aSegment: 0, aRow: 1, aDepth: rows };
  if (transposeA) return { rows, batch, segments: 1, length: depth, aBatch: sharedA ? 0 : rows * depth, aSegment: 0, aRow: 1, aDepth: rows };
  const plain = { segments: 1, length: depth, aSegment: 0, aRow: depth, aDepth: 1 };
  // With one B the rows of all matrices are rows of one.
  if (sharedB && !sharedA) return { ...plain, rows: rows * batch, batch: 1, aBatch: 0 };
  return { ...plain, rows, batch, aBatch: sharedA ? 0 : rows * depth };
}

/** B as rows of `stride` elements: as it is, or a copy where it is transposed or its rows must be longer. */
function packedRows(gpu: Gpu, { b, product, stride }: { b: BufferRange; product: MatrixProduct; stride: number }): BufferRange {
  const { columns, depth, transposeB, sharedB } = product;
  const count = sharedB ? 1 : product.batch;
  if (!transposeB) return stride === columns ? b : padColumns(gpu, { b, rows: count * depth, columns });
  const packed = gpu.allocate(4 * count * depth * stride, "packed matrix");
  copyStrided(gpu, {
    x: b,
    y: packed,
    shape: [count, depth, columns],
    from: { start: 0, steps: [columns * depth, 1, depth] },
    to: { start: 0, steps: [depth * stride, stride, 1] },
  });
  return packed;
}

interface MatmulCall {
  a: BufferRange;
  b: BufferRange;
  c: BufferRange;
  /** [columns], added to every row. */
  bias?: BufferRange | undefined;
  product: MatrixProduct;
  /** Operations that the profile counts, where the product stands for others. */
  flops?: number;
  /** Whether operands may be rounded to half floats; otherwise they may where a or c is stored so. */
  half?: boolean;
  force?: GemmForce | undefined;
}

/** c = a b (+ bias). Sums are made in an order that depends on sizes and adapter only. */
export function matmul(gpu: Gpu, { a, b, c, bias, product, flops, half = storeHalf(a, c), force }: MatmulCall): void {
  const adapter = adapterClass(gpu, { half });
  const { columns } = product;
  const { rows, batch, segments, length, aBatch, aSegment, aRow, aDepth } = walkOf(product);
  const problem = { rows, columns, depth: segments * length, batch, alongRows: aRow === 1 && aDepth !== 1 };
  const plan = planGemm(problem, adapter, force);
  const stride = wantsPaddedColumns(problem, plan) ? columns + COLUMN_PADDING : columns;
  const right = packedRows(gpu, { b, product, stride });
  // Slices are f32, which c and with it a must be then.
  const splits = bias || storeHalf(c) ? 1 : Math.min(planSplits(problem, plan, adapter, force), segments > 1 ? segments : length);
  const partial = splits > 1 ? gpu.allocate(splits * c.bytes, "product slices") : c;
  const rowParts = rowSlices(rows, plan, adapter);
  const phaseParts = gridSlices(batch * splits, adapter);
  for (const phases of phaseParts) {
    for (const { offset, count } of rowParts) {
      const call = {
        uniforms: {
          rows,
          columns,
          b_stride: stride,
          row_offset: offset,
          phase_offset: phases.offset,
          batch,
          splits,
          segments,
          segment_length: length,
          a_batch: aBatch,
          a_segment: aSegment,
          a_row: aRow,
          a_depth: aDepth,
          b_batch: product.sharedB ? 0 : product.depth * stride,
        },
        spec: plan.spec,
        workgroups: [Math.ceil(columns / plan.tileColumns), count, phases.count] as const,
        flops: (flops ?? 2 * rows * columns * segments * length * batch) / (rowParts.length * phaseParts.length),
      };
      if (bias) gpu.run(biasKernel(plan.core), { ...call, buffers: { a, b: right, c, bias } });
      else gpu.run(plainKernel(plan.core), { ...call, buffers: { a, b: right, c: partial } });
    }
  }
  if (splits > 1) sumSlices(gpu, { x: partial, out: c, count: batch * rows * columns, slices: splits });
}
