import { ConfigError } from "../error.ts";
import { defineCommand } from "./command.ts";

/** Conversion of weights. */
export const command = defineCommand({
  name: "convert",
  summary: "Converts weights: IN (PyTorch, safetensors, checkpoint) to OUT (.pth, .pt, .pth.tar, .safetensors)",
  flags: {
    model: { type: "text", hint: "NAME", description: "Check against and name as this: pose_resnet, pose_hrnet, pose_higher_hrnet, pose_hourglass, pose_rsgnet, part_generator, pose_cons; otherwise names stay" },
    network: { type: "text", hint: "N", description: "With --model: which network of a file of several (resnet., resnet2., ...), from 1; 1 where absent" },
    "allow-partial": { type: "switch", description: "With --model: take what fits instead of refusing" },
  },
  rest: { name: "IN OUT", description: "The two files" },
  async run(flags, files) {
    const [input, output] = files;
    if (input === undefined || output === undefined || files.length > 2) {
      throw new ConfigError({ code: "cli/bad-argument", message: `expected two files, received ${files.length}`, fix: "for example: bun run convert best.json weights.pth", where: "convert" });
    }
    if (flags["allow-partial"] && flags.model === undefined) {
      throw new ConfigError({ code: "cli/bad-argument", message: "--allow-partial needs --model NAME", where: "convert" });
    }
    if (flags.network !== undefined && (flags.model === undefined || !/^[1-9]$/.test(flags.network))) {
      throw new ConfigError({ code: "cli/bad-argument", message: `--network expects a number from 1 beside --model NAME, received "${flags.network}"`, where: "convert" });
    }
    const { runConvert } = await import("../train/convert.ts");
    await runConvert({ input, output, model: flags.model, network: Number(flags.network ?? 1), allowPartial: flags["allow-partial"] });
    return 0;
  },
});
