/** The walker: reverse order of creation, one accumulation rule, gradients of parameters into their arena. */
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { addInto, fill } from "../kernels/elementwise.ts";
import { emptyTensor, Parameter, sameShape, shapeText, Tensor } from "../tensor/tensor.ts";
import { checkDtype, gradientTarget, type Node } from "./op.ts";

function isNode(producer: Tensor["producer"]): producer is Node {
  return producer !== undefined && "run" in producer;
}

function add(a: Tensor, b: Tensor): Tensor {
  const sum = emptyTensor(a.gpu, a.shape, { label: a.label, dtype: a.dtype });
  addInto(a.gpu, { a: a.range, b: b.range, out: sum.range, count: a.size });
  return sum;
}

/** Adds a contribution to a parameter's gradient; the first one may already be in place. */
function deposit(parameter: Parameter, contribution: Tensor): void {
  const { gpu, gradient } = parameter;
  if (parameter.gradientFilled) {
    const sum = add(gradient, contribution);
    addInto(gpu, { a: sum.range, b: undefined, out: gradient.range, count: gradient.size });
  } else if (contribution.range.allocation !== gradient.range.allocation || contribution.range.offset !== gradient.range.offset) {
    addInto(gpu, { a: contribution.range, b: undefined, out: gradient.range, count: gradient.size });
  }
  parameter.gradientFilled = true;
}

/** Stands for an output in backward passes; filled anew when its memory is first asked for. */
class Remade extends Tensor {
  readonly #fill: (copy: Tensor) => void;
  #copy: Tensor | undefined;

  constructor(original: Tensor, fill: (copy: Tensor) => void) {
    const { shape, dtype, label, requiresGradient } = original;
    super(original.gpu, { shape, dtype, label, requiresGradient });
    this.producer = original.producer;
    this.recipe = original.recipe;
    this.#fill = fill;
  }

  override get range(): BufferRange {
    if (!this.#copy) {
      const { shape, dtype, label } = this;
      this.#copy = emptyTensor(this.gpu, shape, { label: `${label} again`, dtype });
      this.#fill(this.#copy);
    }
    return this.#copy.range;
  }

  /** True where the copy exists and lies in this memory. */
  occupies({ allocation }: BufferRange): boolean {
    return this.#copy?.range.allocation === allocation;
  }
}

/** The values that a backward pass reads: originals, or one copy of each output that was not kept. */
class Values {
  readonly #copies = new Map<Tensor, Remade>();

  of(tensor: Tensor): Tensor {
    const { recipe } = tensor;
    if (!recipe) return tensor;
    let copy = this.#copies.get(tensor);
    if (!copy) {
      copy = new Remade(tensor, (into) => recipe(into, (other) => this.of(other)));
      this.#copies.set(tensor, copy);
    }
    return copy;
  }

  occupy(range: BufferRange): boolean {
    return [...this.#copies.values()].some((copy) => copy.occupies(range));
  }
}

/** Gradients on their way, and whether the memory of one is used by another. */
class Pending {
  readonly #gradients = new Map<Tensor, Tensor>();
  readonly #users = new Map<BufferRange["allocation"], number>();

  get(tensor: Tensor): Tensor | undefined {
    return this.#gradients.get(tensor);
  }

  set(tensor: Tensor, gradient: Tensor): void {
    this.take(tensor);
    this.#gradients.set(tensor, gradient);
    this.hold(gradient.range);
  }

  /** Removes the gradient of a tensor. */
  take(tensor: Tensor): Tensor | undefined {
    const gradient = this.#gradients.get(tensor);
    if (!gradient) return undefined;
    this.#gradients.delete(tensor);
    const { allocation } = gradient.range;
    this.#users.set(allocation, (this.#users.get(allocation) ?? 0) - 1);
    return gradient;
  }

  /** Counts memory as used from now on, whatever becomes of the gradients in it. */
  hold({ allocation }: BufferRange): void {
    this.#users.set(allocation, (this.#users.get(allocation) ?? 0) + 1);
  }

  uses({ allocation }: BufferRange): boolean {
    return (this.#users.get(allocation) ?? 0) > 0;
  }
}

/** Says which memory was made since it was called. */
function newerThanNow(gpu: Gpu): (range: BufferRange) => boolean {
  const begin = gpu.allocationSerial;
  return ({ allocation }) => !allocation.persistent && allocation.serial >= begin;
}

type BackwardObserver = (root: Tensor, nodes: readonly Node[]) => void;

let observer: BackwardObserver | undefined;

/** Tells `observe` of every backward pass in `work`: its root and the ops it visits, last to first. */
export function observeBackward(observe: BackwardObserver, work: () => void): void {
  const before = observer;
  observer = observe;
  try {
    work();
  } finally {
    observer = before;
  }
}

/** Options of backward. */
export interface BackwardOptions {
  /** Gradient of the root; where absent the root is a loss and its gradient is 1 for every element. */
  gradient?: Tensor;
  /** Leaves that are no parameters whose gradient is wanted (tests, adversarial inputs). */
  leaves?: readonly Tensor[];
}

/**
 * Differentiates `root` with respect to every parameter and leaf it depends on. Parameters' gradients are added to what
 * they hold since zeroGradients(); the returned map has the gradients of `leaves`.
 */
export function backward(root: Tensor, options: BackwardOptions = {}): Map<Tensor, Tensor> {
  const results = new Map<Tensor, Tensor>();
  if (!isNode(root.producer)) throw new Error(`backward: "${root.label}" does not depend on anything that wants a gradient`);
  const wanted = new Set(options.leaves ?? []);

  const nodes: Node[] = [];
  const seen = new Set<Node>();
  const stack: Node[] = [root.producer];
  while (stack.length > 0) {
    const node = stack.pop() as Node;
    if (seen.has(node)) continue;
    seen.add(node);
    nodes.push(node);
    for (const input of node.inputs) if (isNode(input.producer)) stack.push(input.producer);
  }
  nodes.sort((a, b) => b.sequence - a.sequence);
  observer?.(root, nodes);

  const gradients = new Pending();
  const values = new Values();
  const isOwn = newerThanNow(root.gpu);
  const seeded = options.gradient === undefined;
  let seed = options.gradient;
  checkDtype("backward", "gradient", { tensor: seed, dtype: root.dtype });
  if (!seed) {
    seed = emptyTensor(root.gpu, root.shape, { label: "one", dtype: root.dtype });
    fill(root.gpu, { out: seed.range, count: seed.size, value: 1 });
  }
  gradients.set(root, seed);

  for (const node of nodes) {
    const gradient = gradients.take(node.output);
    if (!gradient) continue; // an output that the root does not use
    if (wanted.has(node.output)) {
      results.set(node.output, gradient);
      gradients.hold(gradient.range);
    }
    const contributions = node.run(gradient, {
      inputs: node.inputs.map((input) => values.of(input)),
      output: values.of(node.output),
      seeded: seeded && node === root.producer,
      ownsGradient: isOwn(gradient.range) && !gradients.uses(gradient.range) && !values.occupy(gradient.range),
      target: (i) => gradientTarget(node.inputs[i] as Tensor),
    });
    if (contributions.length !== node.inputs.length) {
      throw new Error(`op ${node.name}: backward returned ${contributions.length} entries for ${node.inputs.length} inputs`);
    }
    node.inputs.forEach((input, i) => {
      if (!node.needs[i]) return;
      const contribution = contributions[i];
      if (!contribution) return;
      if (!sameShape(contribution.shape, input.shape)) {
        throw new Error(`op ${node.name}: gradient ${i} has shape ${shapeText(contribution.shape)}, the input ${shapeText(input.shape)}`);
      }
      if (contribution.dtype !== input.dtype) throw new Error(`op ${node.name}: gradient ${i} is ${contribution.dtype}, the input ${input.dtype}`);
      if (input instanceof Parameter) {
        deposit(input, contribution);
        return;
      }
      const held = gradients.get(input);
      gradients.set(input, held ? add(held, contribution) : contribution);
    });
  }
  for (const leaf of wanted) {
    const gradient = gradients.get(leaf);
    if (gradient) results.set(leaf, gradient);
  }
  return results;
}
