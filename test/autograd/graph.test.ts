import { expect, test } from "bun:test";
import { captureGraphs, graphDot, graphText } from "../../src/autograd/graph.ts";
import { withRecompute } from "../../src/autograd/op.ts";
import { backward } from "../../src/autograd/tape.ts";
import { uniformFanIn } from "../../src/nn/init.ts";
import { Batchnorm, Conv2d } from "../../src/nn/layers.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { mul } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/reduce.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import { testDevice } from "../support/device.ts";

const gpu = await testDevice();

test("ops with shapes, inputs by number, leaves by name; a second pass is told apart", () => {
  const store = new ParameterStore();
  const conv = new Conv2d(store, "conv", { from: 3, to: 4, kernel: 3, padding: 1, initialise: uniformFanIn(27) });
  const norm = new Batchnorm(store, "norm", 4);
  store.materialise(gpu, 1);
  const x = persistentTensor(gpu, [2, 5, 6, 3], { label: "images", data: new Float32Array(180).fill(1) });
  const graphs = captureGraphs(() => {
    const y = withRecompute(() => norm.forward(conv.forward(x), { training: true, groups: 1, slot: 0 }, { relu: true }));
    backward(sum(y));
    backward(sum(mul(y, 2)));
  });
  expect(graphText(graphs)).toBe(
    [
      "backward pass 1: 4 ops, from sum []",
      "  #1  conv2d [2, 5, 6, 4]  <-  images [2, 5, 6, 3] (constant), conv.weight [3, 3, 3, 4]",
      "  #2  batchnorm [2, 5, 6, 4] (made again)  <-  #1, norm.weight [4], norm.bias [4]",
      "  #3  sum [1, 1, 1, 1]  <-  #2",
      "  #4  reshape []  <-  #3",
      "",
      "backward pass 2: 5 ops, from sum []",
      "  #1  conv2d [2, 5, 6, 4]  <-  images [2, 5, 6, 3] (constant), conv.weight [3, 3, 3, 4]",
      "  #2  batchnorm [2, 5, 6, 4] (made again)  <-  #1, norm.weight [4], norm.bias [4]",
      "  #5  mul [2, 5, 6, 4]  <-  #2",
      "  #6  sum [1, 1, 1, 1]  <-  #5",
      "  #7  reshape []  <-  #6",
      "",
    ].join("\n"),
  );
  const dot = graphDot(graphs);
  expect(dot).toStartWith("digraph step {");
  expect(dot).toContain('[shape=box, label="conv.weight\\n[3, 3, 3, 4]"];');
  expect(dot).toContain('[shape=box, style=dashed, label="images\\n[2, 5, 6, 3]"];');
  expect(dot.match(/ -> op/g)).toHaveLength(10);
  expect(dot).toContain("op2 -> op3;");
});

test("without a backward pass there is nothing to see", () => {
  expect(captureGraphs(() => undefined)).toEqual([]);
  expect(graphDot([])).toStartWith("digraph");
});
