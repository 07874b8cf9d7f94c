/** Ctrl-C. */

/** `bun run` and npx pass on the interrupt that the terminal has already sent, so one key press may arrive twice. */
const SAME_KEY_PRESS_MS = 500;

let stop: { readonly controller: AbortController; readonly message: string; readonly last: string } | undefined;
let firstMs = 0;

/** Called by main for every SIGINT: the first lets the work end by itself if it can, the next one ends it at once. */
export function interrupt(): void {
  if (stop && !stop.controller.signal.aborted) {
    firstMs = performance.now();
    console.error(`\n${stop.message}`);
    stop.controller.abort();
    return;
  }
  if (stop && performance.now() - firstMs < SAME_KEY_PRESS_MS) return;
  console.error(stop ? `\nInterrupted. ${stop.last}` : "\nInterrupted.");
  process.exit(130);
}

/** A signal that the first interrupt aborts, after printing `message`; `last` is printed where a second one ends the program. */
export function onFirstInterrupt(message: string, last: string): AbortSignal {
  const controller = new AbortController();
  stop = { controller, message, last };
  return controller.signal;
}
