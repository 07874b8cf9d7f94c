/** Ctrl-C, and SIGTERM, by which schedulers and service managers end a process. */

/** Exit codes as shells have them: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** `bun run` and npx pass on the signal that the terminal or a scheduler has already sent, so one may arrive twice. */
const SAME_SIGNAL_MS = 500;

let stop: { readonly controller: AbortController; readonly message: string; readonly last: string } | undefined;
let firstMs = 0;

/** Called by main for every such signal: the first lets the work end by itself if it can, the next one ends it at once. */
export function interrupt(signal: keyof typeof EXIT_CODES): void {
  if (stop && !stop.controller.signal.aborted) {
    firstMs = performance.now();
    console.error(`\n${stop.message}`);
    stop.controller.abort(EXIT_CODES[signal]);
    return;
  }
  if (stop && performance.now() - firstMs < SAME_SIGNAL_MS) return;
  const what = signal === "SIGINT" ? "Interrupted." : "Terminated.";
  console.error(`\n${what}${stop ? ` ${stop.last}` : ""}`);
  process.exit(EXIT_CODES[signal]);
}

/**
 * A signal that the first interrupt aborts, after printing `message`; its reason is the exit code. `last` is printed where a
 * second one ends the program.
 */
export function onFirstInterrupt(message: string, last: string): AbortSignal {
  const controller = new AbortController();
  stop = { controller, message, last };
  return controller.signal;
}
