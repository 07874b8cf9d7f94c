import { ConfigError } from "../error.ts";
import { defineCommand } from "./command.ts";

/** Report on the machine. */
export const command = defineCommand({
  name: "doctor",
  summary: "Shows the machine, its drivers and the chosen device, tests it, and gives advice; or the source of a kernel",
  flags: {
    json: { type: "switch", description: "Print the report as JSON" },
    shader: { type: "text", hint: "NAME", description: "Print the linked WGSL of a kernel instead, for example batchnorm/apply" },
    spec: { type: "text", hint: "K=V", repeat: true, description: "Value of a spec constant, for --shader" },
  },
  async run({ json, shader, spec }) {
    if (shader === undefined) {
      if (spec.length > 0) throw new ConfigError({ code: "cli/bad-argument", message: "--spec belongs to --shader NAME", where: "doctor" });
      const { runDoctor } = await import("./doctor_report.ts");
      return (await runDoctor({ json })) ? 0 : 1;
    }
    if (json) throw new ConfigError({ code: "cli/bad-argument", message: "--json does not go with --shader", where: "doctor" });
    const { shaderSource } = await import("./shader_source.ts");
    console.log(await shaderSource(shader, spec));
    return 0;
  },
});
