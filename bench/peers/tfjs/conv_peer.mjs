/**
 * A convolution and its two gradients by TensorFlow.js on the adapter and with the toggles that Limber opens. Started by
 * `bun run bench peers`: reads a JSON line {input, weights, output, stride, pad, file}, then answers every line that names
 * a direction with its time and a sample of its result.
 */
import { createInterface } from "node:readline";
import { globals } from "bun-webgpu";
import { openNativeDevice } from "../../../src/gpu/native.ts";
import { openSafetensors, toFloat32 } from "../../../src/interop/safetensors.ts";

const native = await openNativeDevice();
// What the backend looks for in a browser.
globals();
const probe = native.device.createBuffer({ size: 16, usage: 8 });
Object.assign(globalThis, { window: globalThis, GPUBuffer: probe.constructor, GPUTexture: class {}, GPUExternalTexture: class {} });
probe.destroy();
Object.defineProperty(globalThis, "navigator", { value: { gpu: {}, userAgent: "" }, configurable: true });
const tf = await import("@tensorflow/tfjs-core");
const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
// Its kernels are registered under this name; the backend of that name would ask the browser for an adapter.
tf.removeBackend("webgpu");
tf.registerBackend("webgpu", () => new WebGPUBackend(native.device, native.info));
await tf.setBackend("webgpu");

/** Submits what is encoded and waits for it. */
async function finish() {
  const backend = tf.backend();
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  const wait = native.queueWait();
  while (!wait.poll(2)) await new Promise((resolve) => setImmediate(resolve));
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { input, weights, output, stride, pad, file, samples } = JSON.parse((await lines.next()).value);
const stored = await openSafetensors(file);
const tensor = async (name, shape) => tf.tensor(toFloat32(await stored.read(name), name), shape);
const [x, w, dy] = [await tensor("x", input), await tensor("w", weights), await tensor("gy", output)];
const attributes = { strides: [stride, stride], pad, dataFormat: "NHWC", dilations: [1, 1], dimRoundingMode: "floor" };
const run = (kernel, inputs, own) => tf.engine().runKernel(kernel, inputs, { ...attributes, ...own });
const directions = {
  forward: () => run("Conv2D", { x, filter: w }, {}),
  gradInput: () => run("Conv2DBackpropInput", { dy, filter: w }, { inputShape: input }),
  gradWeight: () => run("Conv2DBackpropFilter", { x, dy }, { filterShape: weights }),
};
console.log(JSON.stringify({ version: tf.version_core, adapter: native.info.description }));
for (;;) {
  const { value: direction, done } = await lines.next();
  if (done) break;
  await finish();
  const started = performance.now();
  const result = directions[direction]();
  await finish();
  const ms = performance.now() - started;
  const values = await result.data();
  result.dispose();
  console.log(JSON.stringify({ ms, values: samples[direction].map((at) => values[at]) }));
}
process.exit(0);
