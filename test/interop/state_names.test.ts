import { describe, expect, test } from "bun:test";
import { compareNames, fitsExactly, normaliseNames, recogniseModel, reportLines, requireExactFit } from "../../src/interop/state_names.ts";

describe("prefixes are taken off where all names have them:", () => {
  test.each([
    ["DataParallel", ["module.conv1.weight", "module.bn1.bias"], ["conv1.weight", "bn1.bias"]],
    ["half precision", ["1.conv1.weight", "1.bn1.bias"], ["conv1.weight", "bn1.bias"]],
    ["both", ["module.1.conv1.weight"], ["conv1.weight"]],
    ["one network of a method", ["resnet.conv1.weight", "resnet.final_layer.bias"], ["conv1.weight", "final_layer.bias"]],
    ["another name of the last layer", ["module.resnet.final_layer_1.bias"], ["final_layer.bias"]],
    ["mmpose", ["backbone.conv1.weight", "head.final_layer.bias"], ["conv1.weight", "final_layer.bias"]],
    ["older mmpose", ["backbone.conv1.weight", "keypoint_head.final_layer.bias"], ["conv1.weight", "final_layer.bias"]],
    ["none", ["conv1.weight", "module.bias"], ["conv1.weight", "module.bias"]],
    ["a first block of number 1", ["1.weight", "2.weight"], ["1.weight", "2.weight"]],
    ["nothing", [], []],
  ])("%s", (_, names, expected) => {
    const { names: found } = normaliseNames(names);
    expect([...found.keys()]).toEqual(expected);
    expect([...found.values()]).toEqual(names);
  });

  test("of a pair the first or the second network, the point included", () => {
    const names = ["resnet.conv1.weight", "resnet.final_layer_1.bias", "resnet2.conv1.weight", "resnet2.final_layer_1.bias"];
    const first = normaliseNames(names);
    expect([...first.names]).toEqual([["conv1.weight", names[0]], ["final_layer.bias", names[1]]] as [string, string][]);
    expect(first.otherNetwork).toEqual(names.slice(2));
    expect([...normaliseNames(names, { network: 2 }).names.values()]).toEqual(names.slice(2));
  });
});

test("the report lists what matched, is missing, unexpected and reshaped", () => {
  const file = new Map([["a.weight", [2, 3]], ["b.weight", [4]], ["fc.weight", [1000]]]);
  const network = new Map([["a.weight", [2, 3]], ["b.weight", [5]], ["c.weight", [1]], ["c.num_batches_tracked", []]]);
  const report = compareNames(file, network);
  expect(report).toEqual({ matched: ["a.weight"], missing: ["c.weight"], unexpected: ["fc.weight"], reshaped: [{ name: "b.weight", file: [4], network: [5] }] });
  expect(fitsExactly(report)).toBe(false);
  expect(reportLines(report)).toEqual(["matched 1", "missing 1: c.weight", "unexpected 1: fc.weight", "reshaped 1: b.weight [4] for [5]"]);
  expect(() => requireExactFit(report, "a.pth")).toThrow("reshaped 1: b.weight [4] for [5]");
  expect(() => requireExactFit(compareNames(network, network), "a.pth")).not.toThrow();
  const many = { matched: [], missing: Array.from({ length: 20 }, (_, i) => `n${i}`), unexpected: [], reshaped: [] };
  expect(reportLines(many)[1]).toBe("missing 20: n0, n1, n2, n3, n4, n5, n6, n7 and 12 more");
});

test("what is no network of ours is recognised as none", () => {
  expect(recogniseModel(new Map([["weight", [3]]]))).toBeUndefined();
  expect(recogniseModel(new Map([["conv1.weight", [64, 3, 7, 7]], ["layer1.0.conv1.weight", [64, 64, 1, 1]]]))).toBeUndefined();
});
