/** Loads a PoseResNet-152 from the file of the first argument onto the device; prints seconds and the most memory the process held, MiB. */
import { parseConfig } from "../../src/config/config.ts";
import { openDevice } from "../../src/gpu/device.ts";
import { loadModel } from "../../src/train/state.ts";

const { config } = parseConfig("MODEL: { NAME: pose_resnet, NUM_JOINTS: 17, EXTRA: { NUM_LAYERS: 152 } }\n", { path: "child.yaml" });
const gpu = await openDevice();
await gpu.fence();
const mib = () => process.resourceUsage().maxRSS / 1024;
const before = mib();
const start = performance.now();
const { model } = await loadModel(gpu, { modelFile: process.argv[2] ?? "", config, allowPartial: false, say: () => undefined });
await gpu.fence();
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, mib: mib(), before, parameters: model.store.parameterCount }));
