import { ConfigError } from "../error.ts";
import { CONVERT_MODELS } from "../train/requests.ts";
import { defineCommand } from "./command.ts";

/** Conversion of weights. */
export const command = defineCommand({
  name: "convert",
  summary: "Converts weights: IN (PyTorch, safetensors, checkpoint) to OUT (.pth, .pt, .pth.tar, .safetensors)",
  flags: {
    model: { type: "text", hint: "NAME", description: `Check against and name as this network: ${CONVERT_MODELS.join(", ")}; otherwise names stay` },
    network: { type: "text", hint: "N", description: "Take this network of a file of several (resnet., resnet2., ...), from 1" },
    "allow-partial": { type: "switch", description: "With --model or --network: take what fits instead of refusing" },
  },
  rest: { name: "IN OUT", description: "The two files" },
  async run(flags, files) {
    const [input, output] = files;
    if (input === undefined || output === undefined || files.length > 2) {
      throw new ConfigError({ code: "cli/bad-argument", message: `expected two files, received ${files.length}`, fix: "for example: bun run convert best.json weights.pth", where: "convert" });
    }
    const { model, network, "allow-partial": allowPartial } = flags;
    if (allowPartial && model === undefined && network === undefined) {
      throw new ConfigError({ code: "cli/bad-argument", message: "--allow-partial needs --model NAME or --network N", fix: "name the network that the file is checked against, or leave it out", where: "convert" });
    }
    if (network !== undefined && !/^[1-9]$/.test(network)) {
      throw new ConfigError({ code: "cli/bad-argument", message: `--network expects a number from 1 to 9, received "${network}"`, fix: "bun run inspect FILE lists the networks of a file", where: "convert" });
    }
    const { runConvert } = await import("../train/convert.ts");
    await runConvert({ input, output, model, network: network === undefined ? undefined : Number(network), allowPartial });
    return 0;
  },
});
