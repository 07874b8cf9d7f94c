import { expect, test } from "bun:test";
import fc from "fast-check";
import type { PersonRecord } from "../../src/data/coco.ts";
import { drawGeometry, IDENTITY_GEOMETRY, prepareSample } from "../../src/data/sample.ts";
import { boxToCenterScale } from "../../src/pose/box.ts";
import { COCO17 } from "../../src/pose/skeleton.ts";
import { Random } from "../../src/random.ts";

const inputSize = [48, 64] as const;
const image = { pixels: new Uint8Array(3 * 120 * 90), width: 120, height: 90 };
const record = (facts: Partial<PersonRecord> = {}): PersonRecord => ({
  imageId: 1, annotationId: 1, imagePath: "a.jpg", imageSize: [120, 90], ...boxToCenterScale([30, 20, 40, 60], inputSize),
  joints: Float64Array.from({ length: 34 }, (_, i) => 25 + 1.7 * i), visible: new Uint8Array(17).fill(1), box: [30, 20, 40, 60], score: 1, ...facts,
});

test("the random geometry has the published spread: clipped scale, rotation in 0.6, flip in 0.5, half body as asked", () => {
  const random = new Random({ seed: 3, stream: 4 });
  const count = 20000;
  const draws = Array.from({ length: count }, () => drawGeometry(random, { scaleFactor: 0.25, rotationFactor: 30, flip: true, probHalfBody: 0.3 }));
  const share = (test: (draw: (typeof draws)[number]) => boolean) => draws.filter(test).length / count;
  expect(share(({ rotationDegrees }) => rotationDegrees !== 0)).toBeCloseTo(0.6, 1.5);
  expect(share(({ flip }) => flip)).toBeCloseTo(0.5, 1.5);
  expect(share(({ halfBody }) => halfBody !== undefined)).toBeCloseTo(0.3, 1.5);
  expect(share(({ halfBody }) => halfBody?.preferUpper === true) / share(({ halfBody }) => halfBody !== undefined)).toBeCloseTo(0.6915, 1.5);
  // A normal draw is beyond one deviation, where the scale is clipped, in 2 * 15.87 %; beyond two, the rotation's clip, in 4.55 %.
  expect(share(({ scale }) => scale === 0.75)).toBeCloseTo(0.1587, 1.5);
  expect(share(({ scale }) => scale === 1.25)).toBeCloseTo(0.1587, 1.5);
  expect(share(({ rotationDegrees }) => Math.abs(rotationDegrees) === 60) / 0.6).toBeCloseTo(0.0455, 1.5);
  expect(draws.every(({ scale, rotationDegrees }) => scale >= 0.75 && scale <= 1.25 && Math.abs(rotationDegrees) <= 60)).toBe(true);
});

test("without flip and half body none is drawn, and the other draws stay what they were", () => {
  const draw = (flip: boolean, probHalfBody: number) =>
    drawGeometry(new Random({ seed: 8, stream: 4, epoch: 2, index: 5 }), { scaleFactor: 0.25, rotationFactor: 30, flip, probHalfBody });
  const plain = draw(false, 0);
  expect(plain).toMatchObject({ flip: false, halfBody: undefined });
  expect(draw(true, 1)).toMatchObject({ scale: plain.scale, rotationDegrees: plain.rotationDegrees });
});

test("flipping twice is no flip: joints of a mirrored image and record come out alike", () => {
  fc.assert(
    fc.property(fc.double({ min: -60, max: 60, noNaN: true }), fc.double({ min: 0.75, max: 1.25, noNaN: true }), (rotationDegrees, scale) => {
      const person = record();
      const mirror = Array.from({ length: 17 }, (_, joint) => COCO17.flipPairs.find((pair) => pair.includes(joint))?.find((other) => other !== joint) ?? joint);
      const mirrored = record({
        center: [120 - person.center[0] - 1, person.center[1]],
        joints: Float64Array.from({ length: 34 }, (_, i) => {
          const value = person.joints[2 * (mirror[i >> 1] as number) + (i & 1)] as number;
          return i & 1 ? value : 120 - value - 1;
        }),
      });
      const facts = { image, skeleton: COCO17, inputSize };
      const flipped = prepareSample(person, { ...facts, geometry: { scale, rotationDegrees, flip: true } });
      const straight = prepareSample(mirrored, { ...facts, geometry: { scale, rotationDegrees, flip: false } });
      expect(flipped.toInput).toEqual(straight.toInput);
      expect(flipped.joints).toEqual(straight.joints);
    }),
  );
});

test("only labelled joints are mapped; the others keep image coordinates, or zero in a mirrored image", () => {
  const visible = new Uint8Array(17).fill(1);
  visible[9] = 0;
  const person = record({ visible });
  const straight = prepareSample(person, { image, skeleton: COCO17, inputSize, geometry: IDENTITY_GEOMETRY });
  expect([...straight.joints.subarray(18, 20)]).toEqual([Math.fround(person.joints[18] as number), Math.fround(person.joints[19] as number)]);
  const flipped = prepareSample(person, { image, skeleton: COCO17, inputSize, geometry: { ...IDENTITY_GEOMETRY, flip: true } });
  expect([...flipped.joints.subarray(20, 22), flipped.visible[10]]).toEqual([0, 0, 0]);
});

test("a half body whose joints lie in one point falls back to the box", () => {
  const person = record({ joints: new Float64Array(34).fill(40) });
  const sample = prepareSample(person, { image, skeleton: COCO17, inputSize, geometry: { ...IDENTITY_GEOMETRY, halfBody: { preferUpper: true } } });
  expect([sample.center, sample.scale]).toEqual([person.center, person.scale]);
});

test("an image of another size than its annotations say is refused by name and annotation, or detection", () => {
  expect(() => prepareSample(record({ imageSize: [90, 120] }), { image, skeleton: COCO17, inputSize, geometry: IDENTITY_GEOMETRY })).toThrow(/^annotation 1: .*120x90 px.*90x120 px/);
  expect(() => prepareSample(record({ imageSize: [90, 120], detected: true, annotationId: 7 }), { image, skeleton: COCO17, inputSize, geometry: IDENTITY_GEOMETRY })).toThrow("detection 7: ");
});
