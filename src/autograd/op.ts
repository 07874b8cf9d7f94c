/**
 * An op is one object: shape checks, forward, backward. The walker in tape.ts owns accumulation.
 *
 * Contract of `backward`: it uses the incoming gradient; it returns one entry per input, undefined where none is
 * needed; it never writes into an input, never accumulates, never reads back to the host. `saved` is the complete list
 * of what stays alive between the passes, with the memory of inputs and output that backward reads.
 */
import { OpError } from "../error.ts";
import { withoutSharing } from "../gpu/derived.ts";
import { type DType, emptyTensor, Parameter, type Producer, type Shape, Tensor } from "../tensor/tensor.ts";

/** What backward sees. */
export interface BackwardContext<A, S> {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly attributes: A;
  readonly saved: S;
  /** Which inputs want a gradient. */
  readonly needs: readonly boolean[];
  /** True where the incoming gradient is the implicit 1 of a loss. */
  readonly seeded: boolean;
  /** True where nobody else uses the incoming gradient: it may be overwritten and returned. */
  readonly ownsGradient: boolean;
  /** A tensor of input i's shape to fill; for a parameter's first contribution it is the gradient arena itself. */
  target(i: number): Tensor;
}

export interface OpDefinition<A, S> {
  /** For labels and messages; a family of ops derives it. */
  readonly name: string | ((attributes: A) => string);
  /** Throws OpError with op, argument, expected, got; returns the output's shape. */
  infer(inputs: readonly Tensor[], attributes: A): Shape;
  /**
   * Element type of the output. An op that has this takes f16 too, and throws OpError for what it does not take; any other
   * op refuses f16 and gives f32.
   */
  dtype?(inputs: readonly Tensor[], attributes: A): DType;
  /** Multiplications of an op that is a product of matrices, as papers count them (a multiplication with its addition is one). */
  multiplications?(inputs: readonly Tensor[], output: Shape): number;
  forward(inputs: readonly Tensor[], attributes: A, output: Tensor): S;
  /**
   * Writes the output's values, bit for bit, into `output` once more; for ops that cost about a pass over memory. Under
   * withRecompute backward passes read such a copy, and the original need not outlive the forward pass. Returns what
   * `saved` is from then on: the same, or what was made anew too.
   */
  remake?(output: Tensor, made: { inputs: readonly Tensor[]; attributes: A; saved: S }): S;
  backward(gradient: Tensor, context: BackwardContext<A, S>): (Tensor | undefined)[];
}

/** A call of an op that takes part in differentiation. */
export interface Node extends Producer {
  readonly sequence: number;
  readonly name: string;
  readonly output: Tensor;
  readonly needs: readonly boolean[];
  /** `inputs` and `output` hold the values of the node's own, maybe elsewhere. */
  run(gradient: Tensor, options: NodeRun): (Tensor | undefined)[];
}

/** What the walker gives a node. */
export interface NodeRun {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly seeded: boolean;
  readonly ownsGradient: boolean;
  target(i: number): Tensor;
}

let sequence = 0;
let recordingGraph = true;
let recomputing = false;
let outlined: Map<string, number> | undefined;

/** True inside withRecompute: whoever fills a tensor without an op may give it a recipe. */
export function isRecomputing(): boolean {
  return recomputing;
}

/**
 * Runs `work` (forward passes, with or without their backward passes) so that cheap outputs, those of ops with `remake`,
 * are computed again in backward instead of kept, and weights in another order for every pass. Results are the same bits. Memory falls in recorded steps, where a
 * tensor's place is free after its last use. Parameters must be the same in both passes.
 */
export function withRecompute<T>(work: () => T): T {
  const before = recomputing;
  recomputing = true;
  try {
    return withoutSharing(work);
  } finally {
    recomputing = before;
  }
}

/** True inside outline: tensors have shapes alone. */
export function isOutlining(): boolean {
  return outlined !== undefined;
}

/**
 * Runs `work` on shapes: ops check their arguments and compute nothing, their outputs have neither memory nor device, and
 * networks need none. Returns the multiplications of the products of matrices in it, by the op's name.
 */
export function outline(work: () => void): ReadonlyMap<string, number> {
  const before = outlined;
  const counts = new Map<string, number>();
  outlined = counts;
  try {
    work();
  } finally {
    outlined = before;
  }
  return counts;
}

/** Runs `work` without remembering anything for a backward pass (teacher passes, evaluation). */
export function withoutGradient<T>(work: () => T): T {
  const before = recordingGraph;
  recordingGraph = false;
  try {
    return work();
  } finally {
    recordingGraph = before;
  }
}

/** True where a gradient can flow into this tensor. */
export function wantsGradient(tensor: Tensor): boolean {
  return tensor.producer !== undefined || (tensor.requiresGradient && !(tensor instanceof Parameter && tensor.frozen));
}

/** Refuses an argument that is stored otherwise than the op takes it. Errors: OpError. */
export function checkDtype(op: string, argument: string, { tensor, dtype }: { tensor: Tensor | undefined; dtype: DType }): void {
  if (!tensor || tensor.dtype === dtype) return;
  throw new OpError({ code: "op/dtype", message: `${op}: ${argument} must be ${dtype}, got ${tensor.dtype}`, fix: `cast(x, "${dtype}") first` });
}

function refuseHalf(op: string, inputs: readonly Tensor[]): DType {
  inputs.forEach((tensor, i) => {
    if (tensor.dtype === "f16") checkDtype(op, `input ${i} ("${tensor.label}")`, { tensor, dtype: "f32" });
  });
  return "f32";
}

/** Makes an op callable. `output`, where given, is written instead of a new tensor (its shape must be the inferred one). */
export function defineOp<A, S>(op: OpDefinition<A, S>): (inputs: readonly Tensor[], attributes: A, output?: Tensor) => Tensor {
  return (inputs, attributes, into) => {
    const name = typeof op.name === "string" ? op.name : op.name(attributes);
    const shape = op.infer(inputs, attributes);
    const dtype = op.dtype ? op.dtype(inputs, attributes) : refuseHalf(name, inputs);
    const first = inputs[0] as Tensor;
    if (outlined) {
      if (op.multiplications) outlined.set(name, (outlined.get(name) ?? 0) + op.multiplications(inputs, shape));
      return new Tensor(undefined, { shape, dtype, label: name });
    }
    checkDtype(name, "output", { tensor: into, dtype });
    const output = into ?? emptyTensor(first.gpu, shape, { label: name, dtype });
    let saved = op.forward(inputs, attributes, output);
    const needs = inputs.map((input) => recordingGraph && wantsGradient(input));
    if (needs.some(Boolean)) {
      const node: Node = {
        sequence: sequence++,
        name,
        inputs,
        output,
        needs,
        run: (gradient, run) =>
          op.backward(gradient, {
            ...run,
            attributes,
            needs,
            get saved() {
              return saved; // as it is once backward has asked for the output's memory
            },
          }),
      };
      output.producer = node;
      const { remake } = op;
      if (recomputing && remake) {
        output.recipe = (copy, current) => {
          saved = remake(copy, { inputs: inputs.map(current), attributes, saved });
        };
      }
    }
    return output;
  };
}

/** Where a gradient for `input` is to be written: the parameter's own gradient if it is still empty, else new memory. */
export function gradientTarget(input: Tensor): Tensor {
  if (input instanceof Parameter && !input.gradientFilled) return input.gradient;
  return emptyTensor(input.gpu, input.shape, { label: `${input.label}.gradient`, dtype: input.dtype });
}
