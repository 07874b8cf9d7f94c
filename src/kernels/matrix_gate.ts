/**
 * The gate of the matrix core: before it may serve a device, small products of every view are computed by it and by the f32 core
 * and compared. Drivers have summed in half floats and laid matrices out otherwise than asked, without an error.
 */
import { errorText } from "../error.ts";
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { SUBGROUP_MATRIX } from "../gpu/subgroup_matrix.ts";
import { convForward, convGradInput, convGradWeight, convOutputSize, type ConvShape, deconvForward, deconvGradInput, deconvGradWeight } from "./conv.ts";
import { adapterClass, allowMatrixCore } from "./gemm.ts";
import { type GemmForce, tilesOfCore } from "./gemm_plan.ts";
import { matmul, type MatrixProduct } from "./matmul.ts";

/** Workgroup memory of the core's largest tile, in bytes, with some to spare. */
const WORKGROUP_BYTES = 32 * 1024;

type Name = "a" | "b" | "bias" | "c";

/** A product of the gate: elements of its operands and result, which of them mixed precision stores as half floats. */
interface GateCheck {
  name: string;
  sizes: Readonly<Record<Name, number>>;
  half: readonly Name[];
  /** Values that a half float holds: products are exact, so only the order of f32 sums may tell. Others are rounded first. */
  exact: boolean;
  encode(gpu: Gpu, ranges: Readonly<Record<Name, BufferRange>>, force: GemmForce): void;
}

function shapeOf({ kernel, stride, pad, dilation = 1 }: { kernel: number; stride: number; pad: number; dilation?: number }): ConvShape {
  const [inH, inW] = [14, 11];
  const side = (size: number) => convOutputSize(size, { kernel, stride, pad, dilation });
  return {
    batch: 2, inH, inW, inC: 20, outH: side(inH), outW: side(inW), outC: 38,
    kernelH: kernel, kernelW: kernel, strideH: stride, strideW: stride, padH: pad, padW: pad, dilationH: dilation, dilationW: dilation,
  };
}

/** A convolution's three results, or those of the deconvolution that goes back. */
function convChecks(name: string, shape: ConvShape, deconv: boolean): GateCheck[] {
  const x = shape.batch * shape.inH * shape.inW * shape.inC;
  const y = shape.batch * shape.outH * shape.outW * shape.outC;
  const w = shape.kernelH * shape.kernelW * shape.inC * shape.outC;
  const bias = deconv ? shape.inC : shape.outC;
  const [from, to] = deconv ? [y, x] : [x, y];
  const common = { exact: true, half: ["a", "c"] as const };
  return [
    {
      ...common, name: `${name} forward`, sizes: { a: from, b: w, bias, c: to },
      encode: (gpu, { a, b, bias: add, c }, force) => (deconv ? deconvForward : convForward)(gpu, { x: a, w: b, bias: add, y: c, shape, force }),
    },
    {
      ...common, name: `${name} gradInput`, sizes: { a: to, b: w, bias, c: from },
      encode: (gpu, { a, b, c }, force) => (deconv ? deconvGradInput : convGradInput)(gpu, { gradY: a, w: b, gradX: c, shape, force }),
    },
    {
      ...common, half: ["a", "b"], name: `${name} gradWeight`, sizes: { a: from, b: to, bias, c: w },
      encode: (gpu, { a, b, c }, force) => (deconv ? deconvGradWeight : convGradWeight)(gpu, { x: a, gradY: b, gradW: c, shape, force: { ...force, splits: 3 } }),
    },
  ];
}

const PLAIN: MatrixProduct = { rows: 150, columns: 141, depth: 77, batch: 3, transposeA: false, transposeB: false, sharedA: false, sharedB: false, summed: false };

function matmulCheck(name: string, own: Partial<MatrixProduct>, { exact = true, spec = {} }: { exact?: boolean; spec?: GemmForce["spec"] } = {}): GateCheck {
  const product = { ...PLAIN, ...own };
  const { rows, columns, depth, batch, summed } = product;
  return {
    name: `matmul ${name}`, exact, half: [],
    sizes: { a: batch * rows * depth, b: batch * depth * columns, bias: columns, c: (summed ? 1 : batch) * rows * columns },
    // Tiles are those of the matrix core; the f32 core has its own.
    encode: (gpu, { a, b, c }, force) => matmul(gpu, { a, b, c, product, force: force.core ? { ...force, spec: { ...spec, ...force.spec } } : force }),
  };
}

/** What the gate computes on a device: every view, and every tile that the planner may choose there. */
export function gateChecks(gpu: Gpu): GateCheck[] {
  return [
    ...convChecks("3x3", shapeOf({ kernel: 3, stride: 1, pad: 1 }), false),
    ...convChecks("3x3/2", shapeOf({ kernel: 3, stride: 2, pad: 1 }), false),
    ...convChecks("dilated 3x3", shapeOf({ kernel: 3, stride: 1, pad: 2, dilation: 2 }), false),
    ...convChecks("deconvolution 4x4/2", shapeOf({ kernel: 4, stride: 2, pad: 1 }), true),
    matmulCheck("with rounded operands", {}, { exact: false }),
    matmulCheck("transposed", { transposeA: true, transposeB: true }),
    matmulCheck("summed", { summed: true }),
    ...tilesOfCore("matrix", adapterClass(gpu)).flatMap(({ spec }) =>
      [false, true].map((transposeA) => matmulCheck(`${transposeA ? "transposed " : ""}in tiles ${JSON.stringify(spec)}`, { transposeA, batch: 1, depth: 600 }, { spec })),
    ),
  ];
}

/** Values over [-1, 1) that differ from neighbour to neighbour, multiples of 2^-9 where they must be exact; or their absolutes. */
function gateValues(count: number, { stream, exact, absolute }: { stream: number; exact: boolean; absolute: boolean }): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => {
    const value = ((((i + 1) * 7919 * (stream + 1)) % 1009) - 504) / 512;
    return (exact ? 1 : 0.7) * (absolute ? Math.abs(value) : value);
  });
}

async function compute(gpu: Gpu, check: GateCheck, { force, absolute }: { force: GemmForce; absolute: boolean }): Promise<ArrayLike<number>> {
  const stored = (name: Name) => (check.half.includes(name) && gpu.features.has("shader-f16") ? "f16" : "f32");
  const names = ["a", "b", "bias", "c"] as const;
  const ranges = Object.fromEntries(
    names.map((name, stream) => {
      const element = stored(name);
      const range = gpu.persistent((element === "f16" ? 2 : 4) * 2 * Math.ceil(check.sizes[name] / 2), `gate ${name}`, { element });
      if (name === "c") gpu.write(range, new Uint8Array(range.bytes)); // memory is used again: what is not written must not look right
      else {
        const values = gateValues(check.sizes[name], { stream, exact: check.exact, absolute });
        gpu.write(range, element === "f16" ? new Uint16Array(Float16Array.from(values).buffer) : values);
      }
      return [name, range];
    }),
  ) as Record<Name, BufferRange>;
  gpu.scope(() => check.encode(gpu, ranges, force));
  const bytes = await gpu.read(ranges.c);
  for (const name of names) gpu.free(ranges[name]);
  return (stored("c") === "f16" ? new Float16Array(bytes) : new Float32Array(bytes)).subarray(0, check.sizes.c);
}

/** f32 sums of up to a thousand exact products, in any order, of the sum of their absolutes. */
const SUM_ERROR = 2 ** -14;
/** Two operands rounded to half floats. */
const ROUNDING_ERROR = 2 ** -10;

/**
 * Where the core that `force` names first differs from the f32 core by more than rounding, in words; undefined where it never does.
 * @param checks products to compare; all of gateChecks where absent
 */
export async function findMatrixFault(gpu: Gpu, { force, checks = gateChecks(gpu) }: { force: GemmForce; checks?: readonly GateCheck[] }): Promise<string | undefined> {
  for (const check of checks) {
    const plain = { winograd: false };
    const found = await compute(gpu, check, { force: { ...force, winograd: false }, absolute: false });
    const expected = await compute(gpu, check, { force: plain, absolute: false });
    const sums = await compute(gpu, check, { force: plain, absolute: true });
    const stored = check.half.includes("c") && gpu.features.has("shader-f16") ? ROUNDING_ERROR : 0;
    for (let i = 0; i < expected.length; i++) {
      const [own, right, sum] = [found[i] as number, expected[i] as number, sums[i] as number];
      const allowed = (check.exact ? SUM_ERROR : ROUNDING_ERROR) * sum + stored * Math.abs(right) + 1e-6;
      if (!(Math.abs(own - right) <= allowed)) return `${check.name}: element ${i} is ${own}, the f32 core's is ${right}, ${allowed.toExponential(1)} may lie between`;
    }
  }
  return undefined;
}

/**
 * Opens the matrix core to products of half floats on this device, where it has subgroup matrices and the gate finds no fault.
 * Called before mixed precision begins. Returns whether it did; a fault is told once by `say`, and the f32 core goes on serving.
 */
export async function openMatrixCore(gpu: Gpu, say: (line: string) => void): Promise<boolean> {
  if (!gpu.features.has(SUBGROUP_MATRIX)) return false;
  let fault: string | undefined;
  if (gpu.info.subgroupSize === undefined) fault = "its subgroups have no fixed size";
  else if (gpu.limits.maxComputeWorkgroupStorageSize < WORKGROUP_BYTES) fault = `it has less than ${WORKGROUP_BYTES / 1024} KiB of workgroup memory`;
  else {
    try {
      fault = await findMatrixFault(gpu, { force: { core: "matrix" } });
    } catch (error) {
      [fault] = errorText(error).split("\n", 1);
    }
  }
  if (fault === undefined) allowMatrixCore(gpu);
  else say(`warning   the adapter's subgroup matrices are left unused (${fault}); products go by the f32 core`);
  return fault === undefined;
}
