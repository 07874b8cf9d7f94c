import { afterAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { uniformFanIn } from "../../src/nn/init.ts";
import { Conv2d } from "../../src/nn/layers.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import { debugModes, runWatched } from "../../src/train/debug.ts";
import { testDevice } from "../support/device.ts";
import { tensorHash, TinyProject } from "../support/tiny_run.ts";

const gpu = await testDevice();
const project = new TinyProject();
afterAll(() => project.remove());

test("LIMBER_DEBUG is read strictly", () => {
  expect(debugModes(undefined)).toEqual({ nonfinite: false, graph: false });
  expect(debugModes("graph, nonfinite")).toEqual({ nonfinite: true, graph: true });
  expect(() => debugModes("grap")).toThrow('LIMBER_DEBUG: no mode "grap"; did you mean graph?');
});

test("a watched step names step, kernel, tensor, counts and the layer's parameters", async () => {
  const store = new ParameterStore();
  const first = new Conv2d(store, "first", { from: 1, to: 4, kernel: 1, initialise: uniformFanIn(1) });
  const second = new Conv2d(store, "second", { from: 4, to: 2, kernel: 3, padding: 1, initialise: uniformFanIn(36) });
  store.materialise(gpu, 1);
  const x = persistentTensor(gpu, [1, 4, 4, 1], { data: new Float32Array(16).fill(1), label: "images" });
  const step = () => void second.forward(first.forward(x));
  await runWatched(gpu, step, { step: 1, store });
  const weight = store.parameter("second.weight");
  gpu.write(weight.range, new Float32Array(weight.size).fill(Number.POSITIVE_INFINITY));
  await expect(runWatched(gpu, step, { step: 7, store })).rejects.toThrow(/^step 7: kernel gemm\/\w+ wrote .*(NaN|infinite) of \d+ numbers into \w+ \("(conv2d|padded columns)"\).*/);
  gpu.write(weight.range, new Float32Array(weight.size).fill(1));
  const before = store.parameter("first.weight");
  gpu.write(before.range, new Float32Array(before.size).fill(Number.NaN));
  await expect(runWatched(gpu, step, { step: 8, store })).rejects.toThrow('kernel gemm/matmul wrote 64 NaN of 64 numbers into c ("conv2d"), with first.weight');
});

test("runs: a graph in the run's folder; the first tensor that is not finite ends the run; recomputation and watching change no bit", async () => {
  const short = ["TRAIN.END_EPOCH=1", "TRAIN.STEPS_PER_EPOCH=3"];
  const plain = await project.trained("plain", ...short);
  const lean = await project.trained("lean", "MODEL.EXTRA.RECOMPUTE=true", ...short);
  expect(tensorHash(lean)).toBe(tensorHash(plain));
  expect(existsSync(join(plain, "graph.txt"))).toBe(false);

  const watched = await project.run(["train", "--cfg", "tiny.yaml", "OUTPUT_DIR=watched", ...short], { LIMBER_DEBUG: "nonfinite,graph" });
  expect(watched.code).toBe(0);
  const folder = project.runFolder("watched");
  expect(tensorHash(folder)).toBe(tensorHash(plain));
  expect(readFileSync(join(folder, "graph.txt"), "utf8")).toMatch(/^backward pass 1: \d+ ops, from heatmap_mse \[2\]\n +#1 +conv2d \[6, 16, 16, 8\] +<- +images \[6, 32, 32, 3\] \(constant\), conv1\.weight \[7, 7, 3, 8\]\n/);
  expect(readFileSync(join(folder, "graph.dot"), "utf8")).toStartWith("digraph step {");

  const diverging = await project.run(["train", "--cfg", "tiny.yaml", "OUTPUT_DIR=diverging", "TRAIN.OPTIMIZER=sgd", "TRAIN.LR=1000", "TRAIN.WD=1"], { LIMBER_DEBUG: "nonfinite" });
  expect(diverging.code).toBe(1);
  expect(diverging.errors).toMatch(/error: dispatch \d+ of the step: step \d: kernel [\w/]+ wrote .* of \d+ numbers into \w+ \("/);
  const mistaken = await project.run(["train", "--cfg", "tiny.yaml", "OUTPUT_DIR=mistaken", ...short], { LIMBER_DEBUG: "nan" });
  expect(mistaken.errors).toContain('environment: LIMBER_DEBUG: no mode "nan"');
});
