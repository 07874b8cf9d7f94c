import { defineCommand } from "./command.ts";

/** Report on the machine. */
export const command = defineCommand({
  name: "doctor",
  summary: "Shows the machine, its drivers and the chosen device, tests it, and gives advice",
  flags: { json: { type: "switch", description: "Print the report as JSON" } },
  async run({ json }) {
    const { runDoctor } = await import("./doctor_report.ts");
    return (await runDoctor({ json })) ? 0 : 1;
  },
});
