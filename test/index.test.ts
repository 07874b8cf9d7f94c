import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  Adam,
  backward,
  Batchnorm,
  constant,
  Conv2d,
  decodeHeatmaps,
  encodeHeatmaps,
  EVALUATION,
  heatmapMse,
  LossLog,
  openDevice,
  ParameterStore,
  persistentTensor,
  Random,
  StepRunner,
  uniformFanIn,
  withoutGradient,
} from "../src/index.ts";

setDefaultTimeout(120_000);
const gpu = await openDevice({ mode: "checked" });
afterAll(() => gpu.close());

test("a small network learns to find dots, through the public API alone", async () => {
  // Program of ARCHITECTURE.md: begin.
  const [batch, side, steps] = [8, 16, 60];
  const random = new Random({ seed: 1, stream: 100 });
  const dots = Float32Array.from({ length: 2 * batch }, () => random.integer(3, side - 3));
  const images = Float32Array.from({ length: batch * side * side }, () => random.range(0, 0.3));
  for (let n = 0; n < batch; n++) {
    const [column = 0, row = 0] = dots.subarray(2 * n);
    images[(n * side + row) * side + column] = 1;
  }
  const shape = { jointCount: 1, inputSize: [side, side], heatmapSize: [side, side], sigma: 1 } as const;
  const { heatmaps, weights } = encodeHeatmaps({ ...shape, joints: dots, visible: new Float32Array(batch).fill(1) });
  const x = persistentTensor(gpu, [batch, side, side, 1], { data: images });
  const target = persistentTensor(gpu, [batch, side, side, 1], { data: heatmaps });
  const weight = persistentTensor(gpu, [batch, 1], { data: weights });

  const store = new ParameterStore();
  const first = new Conv2d(store, "first", { from: 1, to: 16, kernel: 5, padding: 2, initialise: uniformFanIn(25) });
  const norm = new Batchnorm(store, "norm", 16);
  const last = new Conv2d(store, "last", { from: 16, to: 1, kernel: 3, padding: 1, initialise: uniformFanIn(144), bias: constant(0) });
  const network = (pass = EVALUATION) => last.forward(norm.forward(first.forward(x), pass, { relu: true }));
  store.materialise(gpu, 1);
  const adam = new Adam(gpu, { parameters: store.parameterArena, gradients: store.gradientArena });
  const losses = new LossLog(gpu, ["loss"]);

  const step = new StepRunner(gpu, () => {
    store.zeroGradients();
    const loss = heatmapMse(network({ training: true, groups: 1, slot: 0 }), { target, weight });
    backward(loss);
    store.updateRunning([0]);
    losses.encode(loss);
    adam.step();
  });
  for (let i = 1; i <= steps; i++) {
    adam.prepare(0.01); // what changes from step to step is written before the step
    losses.prepare(i);
    step.run(0); // recorded the first time, replayed from then on
  }
  const curve = (await losses.read()).map((row) => row.losses["loss"] ?? Number.NaN);
  const maps = await withoutGradient(() => network()).toArray();
  const found = decodeHeatmaps(maps, { count: batch, height: side, width: side, joints: 1, shift: false }).coordinates;
  // Program of ARCHITECTURE.md: end.
  expect(curve).toHaveLength(steps);
  expect(step.host.steps).toBe(steps);
  expect(curve.at(-1)).toBeLessThan(0.25 * (curve[0] ?? 0));
  expect(found).toEqual(dots);
});

test("ARCHITECTURE.md shows this program", () => {
  const text = (path: string) => readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8");
  const between = /Program of ARCHITECTURE\.md: begin\.\n(.*?)\n *\/\/ Program of ARCHITECTURE\.md: end\./s.exec(text("index.test.ts"))?.[1] ?? "";
  const program = between.replaceAll(/^ {2}/gm, "");
  expect(program.split("\n").length).toBeGreaterThan(30);
  expect(text("../ARCHITECTURE.md")).toContain(program);
});

test("importing the API loads no driver, no image codec and no plotting library", () => {
  const program = `await import(${JSON.stringify(fileURLToPath(new URL("../src/index.ts", import.meta.url)))});
    console.log(Object.keys(require.cache).filter((path) => /node_modules/.test(path)).join("\\n"));`;
  const { stdout, exitCode } = Bun.spawnSync([process.execPath, "-e", program]);
  expect(exitCode).toBe(0);
  const loaded = stdout.toString();
  expect(loaded).toContain("valibot");
  expect(loaded).not.toMatch(/node_modules\/(bun-webgpu|sharp|echarts|cli-progress|cli-table3)\//);
});
