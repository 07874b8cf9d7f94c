import { expect, test } from "bun:test";
import { chosen } from "../../bench/chosen.ts";

const NAMES = ["layer1 3x3", "layer2 3x3", "deconv1"];

test("rows are chosen by a part of their name; a part of none is refused with one that is near", () => {
  expect(chosen(NAMES, undefined, (name) => name)).toEqual(NAMES);
  expect(chosen(NAMES, "3x3", (name) => name)).toEqual(["layer1 3x3", "layer2 3x3"]);
  expect(() => chosen(NAMES, "decon1", (name) => name)).toThrow(/no row's name contains "decon1"/);
});
