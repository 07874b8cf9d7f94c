import { ConfigError } from "../error.ts";
import { defineCommand } from "./command.ts";

/** Benchmarks. */
export const command = defineCommand({
  name: "bench",
  summary: "Times kernels and whole steps on real shapes, after checking their results; writes JSON beside the table",
  flags: {
    only: { type: "text", hint: "TEXT", description: "Only the rows whose name contains this" },
    out: { type: "text", hint: "FILE.json", description: "Where to write the results; otherwise bench/results" },
    large: { type: "switch", description: "For step: also PoseResNet-18 at batch 8; for the table of speed: all layers by every algorithm. Hours on two CPU cores" },
    steps: { type: "text", hint: "N", description: "For synthetic: steps of each training; otherwise 600" },
    data: { type: "text", hint: "DIR", description: "For lspet: the folder that holds lspet/" },
    runs: { type: "text", hint: "DIR", description: "For lspet: where its runs are kept; otherwise output/bench_lspet_EPOCHS" },
    epochs: { type: "text", hint: "N", description: "For lspet: length of the runs; otherwise 30" },
    seeds: { type: "text", hint: "N", description: "For lspet: runs of a method at most; otherwise two of some" },
    cfg: { type: "text", hint: "FILE", description: "For kernels: the configuration whose step is taken apart; otherwise the quickstart, on a GPU PoseDual with four views" },
  },
  rest: { name: "TABLE", description: "all: doctor, the tests, tune --missing and all tables that need no longer training, for a new machine; step: whole training steps by method; peers: layers and steps beside PyTorch and TensorFlow.js, in turns; memory: what training steps hold, beside PyTorch's; kernels: calls, time and rates of every kernel of a step; data: decoding, scores and annotation files beside their Python twins; synthetic: how well each method learns from few labels; lspet: the same on LSP Extended, hours on two CPU cores" },
  async run({ only, out, cfg, steps, large, data, runs, epochs, seeds }, rest) {
    const wrong = (message: string) => new ConfigError({ code: "cli/bad-argument", message, fix: "bun run bench --help lists tables and flags", where: "bench" });
    const [table, ...more] = rest;
    if (more.length > 0) throw wrong(`unexpected argument "${more[0]}"`);
    if (table !== undefined && !["all", "step", "peers", "memory", "kernels", "data", "synthetic", "lspet"].includes(table)) throw wrong(`no table "${table}": expected all, step, peers, memory, kernels, data, synthetic or lspet, or nothing for the table of speed`);
    if (cfg !== undefined && table !== "kernels") throw wrong("--cfg belongs to the table kernels");
    if (steps !== undefined && table !== "synthetic") throw wrong("--steps belongs to the table synthetic");
    if ([data, runs, epochs, seeds].some((value) => value !== undefined) && table !== "lspet") throw wrong("--data, --runs, --epochs and --seeds belong to the table lspet");
    const count = (flag: string, value: string): number => {
      if (!/^[1-9]\d*$/.test(value)) throw wrong(`${flag}: expected a positive whole number, received "${value}"`);
      return Number(value);
    };
    if (large && table !== undefined && table !== "step") throw wrong("--large belongs to the table of speed and to step");
    if (table === "all") {
      if (only !== undefined || out !== undefined) throw wrong("--only and --out do not belong to all");
      const { runAll } = await import("../../bench/all.ts");
      return (await runAll()).every(({ code }) => code === 0) ? 0 : 1;
    }
    if (table === "step") {
      const { runStepBench } = await import("../../bench/steps.ts");
      return (await runStepBench({ only, out, large })) ? 0 : 1;
    }
    if (table === "peers") {
      const { runPeerBench } = await import("../../bench/peers.ts");
      return (await runPeerBench({ only, out })) ? 0 : 1;
    }
    if (table === "memory") {
      const { runMemoryBench } = await import("../../bench/memory.ts");
      await runMemoryBench({ only, out });
      return 0;
    }
    if (table === "synthetic") {
      const { runSyntheticBench } = await import("../../bench/synthetic.ts");
      await runSyntheticBench({ labels: [30, 60, 120], steps: count("--steps", steps ?? "600"), only, out });
      return 0;
    }
    if (table === "lspet") {
      if (data === undefined) throw wrong("lspet needs --data, the folder that holds lspet/");
      const { runLspetBench } = await import("../../bench/lspet.ts");
      await runLspetBench({ data, runs, epochs: count("--epochs", epochs ?? "30"), seeds: seeds === undefined ? undefined : count("--seeds", seeds), only, out });
      return 0;
    }
    if (table === "data") {
      const { runDataBench } = await import("../../bench/data.ts");
      await runDataBench({ only, out });
      return 0;
    }
    if (table === "kernels") {
      if (only !== undefined) throw wrong("--only does not belong to the table kernels");
      const { runKernelBench } = await import("../../bench/kernels.ts");
      await runKernelBench({ cfg, out });
      return 0;
    }
    const { runBench } = await import("../../bench/run.ts");
    return (await runBench({ only, out, large })) ? 0 : 1;
  },
});
