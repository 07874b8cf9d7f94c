/** Other programs that do the same work: one process each, which answers every line it is sent with a JSON line. */
import { createInterface, type Interface } from "node:readline";
import { Readable } from "node:stream";

/** A process on the other side. */
export class Twin {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #lines: AsyncIterableIterator<string>;
  readonly #reader: Interface;

  /** Starts it; a description follows by ask(). */
  constructor(command: readonly string[], { cwd }: { cwd?: string } = {}) {
    this.#process = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "pipe", ...(cwd ? { cwd } : {}) });
    this.#reader = createInterface({ input: Readable.fromWeb(this.#process.stdout as import("node:stream/web").ReadableStream) });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Sends a line and waits for the answer. @throws Error with what the process said last where it ends instead */
  async ask(message: object | string): Promise<Readonly<Record<string, unknown>>> {
    await this.#process.stdin.write(`${typeof message === "string" ? message : JSON.stringify(message)}\n`);
    await this.#process.stdin.flush();
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) {
        const text = (await new Response(this.#process.stderr).text()).trim().split("\n");
        throw new Error(`it ended: ${text.slice(-8).join(" | ")}`);
      }
      if (value.startsWith("{")) return JSON.parse(value) as Record<string, unknown>;
    }
  }

  /** Ends it. */
  async end(): Promise<void> {
    await this.#process.stdin.end();
    this.#process.kill();
    await this.#process.exited;
    this.#reader.close();
  }
}

/** A Python that has a module: what PYTHON names, else python3 or that of the system; undefined where none has. */
export function pythonWith(module: string): string | undefined {
  return pythons().find((python) => Bun.which(python) && Bun.spawnSync([python, "-c", `import ${module}`], { stderr: "ignore" }).exitCode === 0);
}

/** Which pythons have been asked for a module in vain. */
export function noPython(module: string): string {
  return `no ${module}: ${pythons().map((python) => `${python} ${Bun.which(python) ? "lacks it" : "is not installed"}`).join(", ")}`;
}

function pythons(): string[] {
  const named = process.env["PYTHON"];
  return named ? [named] : ["python3", "/usr/bin/python3"];
}
