/**
 * What optimisers have in common: arenas, parameter groups, and the numbers of a step as data. prepare() writes them
 * before a step, step() encodes the update, so that a recorded step replays with other numbers.
 */
import { OpError } from "../error.ts";
import type { BufferRange, Gpu } from "../gpu/device.ts";
import { bindingParts, fill } from "../kernels/elementwise.ts";
import type { StepCall } from "../kernels/optimiser.ts";

/** What an optimiser works on: a network's flat arenas (ParameterStore), or any two ranges of f32 of one size. */
export interface OptimiserArenas {
  parameters: BufferRange;
  gradients: BufferRange;
  /** One f32 that every gradient is multiplied by as it is read, such as NormClip's factor or a LossScaler's; negative: the step changes nothing. */
  gradientScale?: BufferRange;
}

/** Parameters with factors of their own. The factors are read by every prepare(), so they may change between steps. */
export interface ParameterGroup {
  /** Stretches of the parameter arena, such as `parameter.range`; each begins at the adapter's storage alignment. */
  ranges: readonly BufferRange[];
  /** Factor of the learning rate; 1 where absent. */
  learningRate?: number;
  /** Factor of the weight decay; 1 where absent. */
  weightDecay?: number;
}

/** An optimiser as training sees it. */
export interface Optimiser {
  readonly name: string;
  /** What it remembers, by name: arenas of the parameters' layout. Together with `steps` all that a checkpoint needs. */
  readonly state: Readonly<Record<string, BufferRange>>;
  /** Steps taken. */
  steps: number;
  /** Counts the coming step and writes its numbers; outside of recordings. */
  prepare(learningRate: number): void;
  /** Encodes the update. */
  step(): void;
}

/** An arena of zeros of the parameters' layout. */
export function zeroArena(gpu: Gpu, { parameters }: Pick<OptimiserArenas, "parameters">, label: string): BufferRange {
  const range = gpu.persistent(parameters.bytes, label);
  fill(gpu, { out: range, count: parameters.bytes / 4, value: 0 });
  return range;
}

/** Fails unless `value` lies in [low, high). */
export function checkNumber(who: string, argument: string, { value, low = 0, high = Infinity }: { value: number; low?: number; high?: number }): void {
  if (value >= low && value < high) return;
  throw new OpError({ code: "optim/number", message: `${who}: ${argument} must be in [${low}, ${high}), got ${value}` });
}

interface Stretch {
  first: number;
  end: number;
  row: number;
}

/** Cuts the arena into stretches of one group each; row 0 is for what no group names. */
function cutArena(arena: BufferRange, groups: readonly ParameterGroup[], alignment: number): Stretch[] {
  const fail = (group: number, expected: string, got: string): never => {
    throw new OpError({ code: "optim/groups", message: `optimiser: parameter group ${group} must ${expected}, got ${got}` });
  };
  const named = groups.flatMap(({ ranges }, group) =>
    ranges.map((range) => {
      const first = range.offset - arena.offset;
      const text = `bytes ${first} to ${first + range.bytes}`;
      if (range.allocation !== arena.allocation) fail(group, "lie in the parameter arena", `a range of "${range.allocation.label}"`);
      if (first < 0 || first + range.bytes > arena.bytes) fail(group, `lie in the arena's ${arena.bytes} bytes`, text);
      if (range.offset % alignment !== 0) fail(group, `begin at a multiple of ${alignment} bytes`, text);
      return { first, end: first + range.bytes, row: group + 1 };
    }),
  );
  named.sort((a, b) => a.first - b.first);
  const stretches: Stretch[] = [];
  const push = (stretch: Stretch) => {
    const last = stretches.at(-1);
    if (last && last.row === stretch.row && last.end === stretch.first) last.end = stretch.end;
    else if (stretch.end > stretch.first) stretches.push({ ...stretch });
  };
  let at = 0;
  for (const { first, end, row } of named) {
    if (first < at) fail(row - 1, "not overlap another", `bytes ${first} to ${end}`);
    push({ first: at, end: first, row: 0 });
    // Nothing that can be bound begins before the next multiple of the alignment: that is padding, and goes with the stretch.
    const padded = Math.min(arena.bytes, Math.ceil((arena.offset + end) / alignment) * alignment - arena.offset);
    push({ first, end: padded, row });
    at = padded;
  }
  push({ first: at, end: arena.bytes, row: 0 });
  return stretches;
}

/** The numbers of a step, a row of four per group, and the stretches of the arenas that read them. */
export class StepPlan {
  readonly #gpu: Gpu;
  readonly #groups: readonly ParameterGroup[];
  readonly #rows: BufferRange;
  readonly #calls: readonly StepCall[];

  /** Errors: OpError for arenas of different sizes, and for groups that overlap or lie outside of the arena. */
  constructor(gpu: Gpu, arenas: OptimiserArenas, groups: readonly ParameterGroup[] = []) {
    const { parameters, gradients } = arenas;
    if (parameters.bytes !== gradients.bytes) {
      throw new OpError({ code: "optim/arenas", message: `optimiser: gradients must have the parameters' ${parameters.bytes} bytes, got ${gradients.bytes}` });
    }
    this.#gpu = gpu;
    this.#groups = groups;
    this.#rows = gpu.persistent(16 * (1 + groups.length), "optimiser step");
    const gradientScale = arenas.gradientScale ?? gpu.upload(Float32Array.of(1), "gradient scale");
    this.#calls = cutArena(parameters, groups, gpu.limits.minStorageBufferOffsetAlignment).flatMap(({ first, end, row }) =>
      bindingParts(gpu, end - first).map(({ offset, bytes }) => ({ parameters, gradients, gradientScale, rows: this.#rows, row, stretch: { offset: first + offset, bytes } })),
    );
  }

  /** Writes what `numbersOf` makes of each group's factors. */
  write(learningRate: number, numbersOf: (factors: { learningRate: number; weightDecay: number }) => readonly [number, number, number, number]): void {
    const rows = [{}, ...this.#groups].flatMap((group: Partial<ParameterGroup>, i) => {
      const factors = { learningRate: learningRate * (group.learningRate ?? 1), weightDecay: group.weightDecay ?? 1 };
      const who = i === 0 ? "optimiser" : `optimiser, parameter group ${i - 1}`;
      checkNumber(who, "learning rate", { value: factors.learningRate });
      checkNumber(who, "weight decay's factor", { value: factors.weightDecay });
      return numbersOf(factors);
    });
    this.#gpu.write(this.#rows, Float32Array.from(rows));
  }

  /** Encodes one call per stretch. */
  encode(run: (call: StepCall) => void): void {
    for (const call of this.#calls) run(call);
  }
}
