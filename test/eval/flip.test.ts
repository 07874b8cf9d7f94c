import { expect, test } from "bun:test";
import { mergeFlipped } from "../../src/eval/flip.ts";
import { COCO17 } from "../../src/pose/skeleton.ts";

const [width, joints] = [48, 17];
const NOSE = 0;

/** One line of maps whose nose is at a column, and elsewhere nothing. */
function lineWith(column: number, joint = NOSE): Float32Array {
  const maps = new Float32Array(width * joints);
  maps[column * joints + joint] = 1;
  return maps;
}

const facts = { count: 1, height: 1, width, joints, skeleton: COCO17 };
const nose = (maps: Float32Array, joint = NOSE) => Array.from({ length: width }, (_, x) => 2 * (maps[x * joints + joint] as number));
const impulse = (values: Record<number, number>) => Array.from({ length: width }, (_, x) => values[x] ?? 0);

test("the mirrored map comes back one column to the right, column 0 stays, pairs change places", () => {
  const none = new Float32Array(width * joints);
  const back = (column: number) => lineWith(width - 1 - column);
  expect(nose(mergeFlipped(none, back(20), { ...facts, shift: true }))).toEqual(impulse({ 21: 1 }));
  expect(nose(mergeFlipped(none, back(0), { ...facts, shift: true }))).toEqual(impulse({ 0: 1, 1: 1 }));
  const [leftEye, rightEye] = [1, 2];
  expect(nose(mergeFlipped(none, lineWith(width - 21, leftEye), { ...facts, shift: true }), rightEye)).toEqual(impulse({ 21: 1 }));
});

test("without the shift it is moved by three quarters of a column: 0.25 stay, 0.75 go, zeros come in (multiaugs, section 8)", () => {
  const none = new Float32Array(width * joints);
  const back = (column: number) => lineWith(width - 1 - column);
  expect(nose(mergeFlipped(none, back(20), { ...facts, shift: false }))).toEqual(impulse({ 20: 0.25, 21: 0.75 }));
  expect(nose(mergeFlipped(none, back(0), { ...facts, shift: false }))).toEqual(impulse({ 0: 0.25, 1: 0.75 }));
  expect(nose(mergeFlipped(none, back(width - 1), { ...facts, shift: false }))).toEqual(impulse({ [width - 1]: 0.25 }));
  expect(nose(mergeFlipped(lineWith(5), none, { ...facts, shift: false }))).toEqual(impulse({ 5: 1 }));
});
