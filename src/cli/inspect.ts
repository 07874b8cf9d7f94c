import { ConfigError } from "../error.ts";
import { defineCommand } from "./command.ts";

/** A look into a file of weights. */
export const command = defineCommand({
  name: "inspect",
  summary: "Prints the tensors of a file: names, types, shapes, statistics, and the network that they are of",
  flags: {},
  rest: { name: "FILE", description: "PyTorch file, safetensors file or checkpoint" },
  async run(_, files) {
    const [file] = files;
    if (file === undefined || files.length > 1) {
      throw new ConfigError({ code: "cli/bad-argument", message: `expected one file, received ${files.length}`, fix: "for example: bun run inspect weights.pth", where: "inspect" });
    }
    const { runInspect } = await import("../train/convert.ts");
    await runInspect(file);
    return 0;
  },
});
