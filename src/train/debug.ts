/** What LIMBER_DEBUG asks of a run: `nonfinite`, `graph`, or both with a comma between. */
import { join } from "node:path";
import { type BackwardGraph, captureGraphs, graphDot, graphText } from "../autograd/graph.ts";
import { nearest } from "../config/nearest.ts";
import { ConfigError, GpuError } from "../error.ts";
import { writeFileAtomic } from "../files.ts";
import type { BufferRange, Gpu } from "../gpu/device.ts";
import type { ParameterStore } from "../nn/store.ts";

export interface DebugModes {
  /** Steps run eagerly; the first tensor with a number that is not finite ends the run and is named. */
  nonfinite: boolean;
  /** The autograd graph of the first step is written into the run's folder. */
  graph: boolean;
}

const MODES = ["nonfinite", "graph"] as const;

/** Reads the variable. Errors: ConfigError naming the word that is no mode. */
export function debugModes(text: string | undefined): DebugModes {
  const words = (text ?? "").split(",").map((word) => word.trim()).filter((word) => word !== "");
  for (const word of words) {
    if (MODES.some((mode) => mode === word)) continue;
    const guess = nearest(word, MODES);
    throw new ConfigError({
      code: "config/debug",
      message: `LIMBER_DEBUG: no mode "${word}"${guess ? `; did you mean ${guess}?` : ""}`,
      fix: `modes: ${MODES.join(", ")}; several with commas between`,
      where: "environment",
    });
  }
  return { nonfinite: words.includes("nonfinite"), graph: words.includes("graph") };
}

/** Names of the network's parameters that a dispatch binds, and of those whose gradients it binds. */
function parametersAmong(ranges: Iterable<BufferRange>, { parameters }: ParameterStore): string[] {
  const same = (a: BufferRange, b: BufferRange) => a.allocation === b.allocation && a.offset === b.offset && a.bytes === b.bytes;
  return [...ranges].flatMap((range) =>
    parameters.flatMap(({ label, range: own, gradient }) => (same(range, own) ? [label] : same(range, gradient.range) ? [`${label}'s gradient`] : [])),
  );
}

/** Runs a step under watch. Errors: GpuError naming kernel, tensor, parameters and the counts. */
export async function runWatched(gpu: Gpu, work: () => void, { step, store }: { step: number; store: ParameterStore }): Promise<void> {
  const found = await gpu.findNonfinite(work);
  if (!found) return;
  const { kernel, buffer, label, bound, dispatch, size, nan, infinite } = found;
  const counts = [...(nan > 0 ? [`${nan} NaN`] : []), ...(infinite > 0 ? [`${infinite} infinite`] : [])].join(" and ");
  const names = parametersAmong(bound.values(), store);
  throw new GpuError({
    code: "gpu/nonfinite",
    message: `step ${step}: kernel ${kernel} wrote ${counts} of ${size} numbers into ${buffer} ("${label}")${names.length > 0 ? `, with ${names.join(", ")}` : ""}`,
    where: `dispatch ${dispatch} of the step`,
    fix: `everything before this dispatch was finite; bun run doctor --shader ${kernel} shows the kernel`,
  });
}

/** Runs steps as LIMBER_DEBUG asks. */
export class StepDebugger {
  readonly #modes: DebugModes;
  readonly #run: { gpu: Gpu; store: ParameterStore; folder: string };
  #graphWritten = false;

  constructor(modes: DebugModes, run: { gpu: Gpu; store: ParameterStore; folder: string }) {
    this.#modes = modes;
    this.#run = run;
  }

  /** Runs one step; the first one's graphs are written as graph.txt and graph.dot, also where the step is not finite. */
  async run(work: () => void, step: number): Promise<void> {
    const { gpu, store, folder } = this.#run;
    let graphs: BackwardGraph[] = [];
    const wantsGraph = this.#modes.graph && !this.#graphWritten;
    const observed = wantsGraph ? () => void (graphs = captureGraphs(work)) : work;
    try {
      if (this.#modes.nonfinite) await runWatched(gpu, observed, { step, store });
      else observed();
    } finally {
      if (wantsGraph && graphs.length > 0) {
        this.#graphWritten = true;
        await writeFileAtomic(join(folder, "graph.txt"), graphText(graphs));
        await writeFileAtomic(join(folder, "graph.dot"), graphDot(graphs));
      }
    }
  }
}
