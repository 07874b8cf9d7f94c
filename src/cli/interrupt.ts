/** Ctrl-C. */

/** What an interrupt does now: returns true where it was taken care of and the program should go on for a while. */
let respond: () => boolean = () => false;
let lastWords = "";

/** Called by main for every SIGINT: the first lets the work end by itself if it can, the next one ends at once. */
export function interrupt(): void {
  if (respond()) return;
  console.error(lastWords ? `\nInterrupted. ${lastWords}` : "\nInterrupted.");
  process.exit(130);
}

/** A signal that the first interrupt aborts, after printing `message`; `last` is printed where a second one ends the program. */
export function onFirstInterrupt(message: string, last: string): AbortSignal {
  const stop = new AbortController();
  lastWords = last;
  respond = () => {
    if (stop.signal.aborted) return false;
    stop.abort();
    console.error(`\n${message}`);
    return true;
  };
  return stop.signal;
}
