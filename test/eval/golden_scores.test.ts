import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AIC14, CROWDPOSE14, MPII16 } from "../../src/pose/joint_sets.ts";
import { decodeDark } from "../../src/pose/dark.ts";
import type { PckTruth } from "../../src/data/mpii.ts";
import { evaluateAic } from "../../src/eval/aic_eval.ts";
import { evaluateKeypoints, scoreRows } from "../../src/eval/coco_eval.ts";
import { crowdPoseRows, evaluateCrowdPose } from "../../src/eval/crowdpose_eval.ts";
import { scoreLsp, scoreMpii } from "../../src/eval/pck.ts";
import { Draw, makeCase, withBoxAreas } from "./score_cases.ts";

const golden = JSON.parse(readFileSync(join(import.meta.dir, "../golden/scores.json"), "utf8")) as {
  coco: number[][];
  crowdpose: number[][];
  pck: number[][];
  aic: number[];
  dark: number[][];
  dark_opencv: number[][];
};

function expectClose(found: readonly number[], wanted: readonly number[], what: string): void {
  expect(found.length, what).toBe(wanted.length);
  found.forEach((value, i) => {
    if (!(Math.abs(value - (wanted[i] as number)) <= 1e-9)) throw new Error(`${what}, figure ${i}: ${value}, expected ${wanted[i]}`);
  });
}

test("COCO AP and AR of 240 random cases equal pycocotools to 1e-9", () => {
  golden.coco.forEach((wanted, seed) => {
    const { truth, detections } = makeCase(seed, 17);
    expectClose(scoreRows(evaluateKeypoints(truth, detections)).map(([, value]) => value), wanted, `case ${seed}`);
  });
  // The cases are worth something: all kinds of figures occur.
  expect(golden.coco.filter(([ap]) => ap === -1).length).toBeGreaterThan(0);
  expect(golden.coco.filter(([ap = 0]) => ap > 0 && ap < 1).length).toBeGreaterThan(100);
});

test("CrowdPose AP of 240 random cases, overall and by crowdedness, equals pycocotools with CrowdPose's constants", () => {
  golden.crowdpose.forEach((wanted, seed) => {
    const { truth, detections } = makeCase(seed, CROWDPOSE14.jointNames.length);
    expectClose(crowdPoseRows(evaluateCrowdPose(withBoxAreas(truth, 0.53), detections)).map(([, value]) => value), wanted, `case ${seed}`);
  });
});

test("AI Challenger's score of 240 random cases equals its rule in NumPy", () => {
  golden.aic.forEach((wanted, seed) => {
    const { truth, detections } = makeCase(seed, AIC14.jointNames.length);
    expectClose([evaluateAic(withBoxAreas(truth, 1), detections).score], [wanted], `case ${seed}`);
  });
});

test("PCKh and PCK of 240 random cases equal the rules of HRNet and ASDA in NumPy", () => {
  const joints = MPII16.jointNames.length;
  golden.pck.forEach((wanted, seed) => {
    const draw = new Draw(seed);
    const count = 1 + draw.next(6);
    const truth: PckTruth = { jointNames: MPII16.jointNames, count, missing: new Uint8Array(count * joints), positions: new Float64Array(2 * count * joints), boxes: new Float64Array(4 * count) };
    const found = new Float64Array(2 * count * joints);
    for (let n = 0; n < count; n++) {
      const side = 10 + draw.next(60);
      truth.boxes.set([50, 60, 50 + side, 60 + draw.next(60)], 4 * n);
      for (let j = 0; j < joints; j++) {
        const i = n * joints + j;
        truth.missing[i] = draw.next(6) === 0 ? 1 : 0;
        truth.positions.set([draw.next(600), draw.next(400)], 2 * i);
        found.set([(truth.positions[2 * i] as number) + draw.next(side) - side / 2, (truth.positions[2 * i + 1] as number) + draw.next(side) - side / 2], 2 * i);
      }
    }
    truth.missing.fill(0, 0, joints);
    const mpii = scoreMpii(truth, found);
    const lsp = scoreLsp(truth, found);
    expectClose([...mpii.joints, mpii.mean, ...[10, 11, 20].map((i) => mpii.curve[i] as number), lsp.mean, lsp.curve[11] as number], wanted, `case ${seed}`);
  });
});

test("DARK of 60 maps with two bumps equals the rule in NumPy, and the published code with OpenCV's blur", () => {
  const [height, width] = [24, 18];
  golden.dark.forEach((wanted, seed) => {
    const draw = new Draw(seed);
    const [main, side] = [40 + draw.next(60), draw.next(40)];
    const bumps = [main, side].map((amplitude) => ({ x: draw.next(1800) / 100, y: draw.next(2400) / 100, amplitude: amplitude / 100 }));
    const heatmaps = Float32Array.from({ length: height * width }, (_, i) =>
      bumps.reduce((sum, { x, y, amplitude }) => sum + amplitude * Math.exp(-(((i % width) - x) ** 2 + (Math.floor(i / width) - y) ** 2) / 8), 0),
    );
    const { coordinates } = decodeDark(heatmaps, { count: 1, height, width, joints: 1 });
    // Coordinates are f32.
    for (const reference of [wanted, golden.dark_opencv[seed] as number[]]) {
      for (const k of [0, 1]) expect(Math.abs((coordinates[k] as number) - (reference[k] as number)), `case ${seed}`).toBeLessThan(1e-5);
    }
  });
});
