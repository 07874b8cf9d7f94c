/**
 * Started by checkpoint.test.ts: saves a second checkpoint over a first one and kills itself with SIGKILL before the
 * n-th file operation. Arguments: folder, n. Prints "done" where fewer operations than n were needed.
 */
import { promises as fs } from "node:fs";
import { saveCheckpoint } from "../../src/train/checkpoint.ts";
import { exampleCheckpoint } from "./checkpoint_example.ts";

const [folder = "", limit = "0"] = process.argv.slice(2);
let operations = 0;

function dieWhenDue(): void {
  if (++operations === Number(limit)) process.kill(process.pid, "SIGKILL");
}

const open = fs.open.bind(fs);
for (const name of ["rename", "rm", "mkdir", "readdir"] as const) {
  const original = fs[name].bind(fs) as (...args: unknown[]) => Promise<unknown>;
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      dieWhenDue();
      return original(...args);
    },
  });
}
Object.assign(fs, {
  open: async (...args: Parameters<typeof fs.open>) => {
    dieWhenDue();
    const file = await open(...args);
    const write = file.write.bind(file) as (
      data: Uint8Array,
      offset: number,
      length: number,
    ) => Promise<{ bytesWritten: number }>;
    return Object.assign(file, {
      // Half of every piece at first: a kill then also meets half-written files.
      write: (data: Uint8Array, offset: number, length: number) => {
        dieWhenDue();
        return write(data, offset, Math.ceil(length / 2));
      },
      sync: ((original) => () => {
        dieWhenDue();
        return original();
      })(file.sync.bind(file)),
    });
  },
});

await saveCheckpoint(folder, "latest", exampleCheckpoint(2));
console.log("done", operations);
