/** Loads a PoseResNet-152 from the file of the first argument onto the device; prints seconds and the most memory the process held, MiB. */
import { readFileSync } from "node:fs";
import { parseConfig } from "../../src/config/load.ts";
import { openDevice } from "../../src/gpu/device.ts";
import { loadModel } from "../../src/train/state.ts";

const { config } = parseConfig("MODEL: { NAME: pose_resnet, NUM_JOINTS: 17, EXTRA: { NUM_LAYERS: 152 } }\n", { path: "child.yaml" });
const gpu = await openDevice();
await gpu.fence();
/** Most memory since the process began; what getrusage says counts the parent's too. */
const mib = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;
const before = mib();
const start = performance.now();
const { model } = await loadModel(gpu, { modelFile: process.argv[2] ?? "", config, allowPartial: false, say: () => undefined });
await gpu.fence();
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, mib: mib(), before, parameters: model.store.parameterCount }));
