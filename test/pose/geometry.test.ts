import { expect, test } from "bun:test";
import fc from "fast-check";
import { applyAffine, cropAffine, drawViewTheta, invertAffine } from "../../src/pose/affine.ts";
import { boxToCenterScale, cleanBox } from "../../src/pose/box.ts";
import { decodeHeatmaps, heatmapToImage } from "../../src/pose/heatmap.ts";
import { CROWDPOSE14, MPII16, skeletonFor } from "../../src/pose/joint_sets.ts";
import { COCO17, UNION24 } from "../../src/pose/skeleton.ts";
import { Random } from "../../src/random.ts";

const near = (actual: readonly number[], expected: readonly number[], digits = 5) => expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, digits));

test("the published centres and scales of boxes", () => {
  const tall = boxToCenterScale([50, 30, 80, 200], [192, 256]);
  near([...tall.center, ...tall.scale], [90, 130, 0.9375, 1.25]);
  const wide = boxToCenterScale([10.5, 20.25, 300, 100], [192, 256]);
  near([...wide.center, ...wide.scale], [160.5, 70.25, 1.875, 2.5]);
});

test("the published crop maps, at rest and rotated, and their inverses", () => {
  const crop = { center: [100, 120], scale: [0.8, 1.066667], size: [192, 256] } as const;
  near(cropAffine(crop), [1.2, 0, -24, 0, 1.2, -16]);
  near(cropAffine({ ...crop, rotationDegrees: 30 }), [1.0392305, 0.6, -79.923056, -0.6, 1.0392305, 63.292346], 4); // published from f32 points
  const other = { center: [100, 150], scale: [0.75, 1], size: [192, 256] } as const;
  near(cropAffine(other), [1.28, 0, -32, 0, 1.28, -64]);
  near(cropAffine({ ...other, rotationDegrees: 30 }), [1.108513, 0.64, -110.851255, -0.64, 1.108513, 25.723123]);
  fc.assert(
    fc.property(fc.double({ min: -80, max: 80, noNaN: true }), fc.double({ min: 0.1, max: 4, noNaN: true }), fc.double({ min: -500, max: 500, noNaN: true }), (rotationDegrees, scale, x) => {
      const map = cropAffine({ center: [x, 40], scale: [scale, scale], rotationDegrees, size: [48, 64] });
      near(applyAffine(invertAffine(map), applyAffine(map, [x + 3, 7])), [x + 3, 7], 6);
    }),
  );
  expect(() => invertAffine([0, 0, 0, 0, 0, 0])).toThrow(/inverse/);
});

test("boxes are clipped as the source systems clip them", () => {
  expect(cleanBox([-10, 5, 50, 400], [100, 200])).toEqual([0, 5, 49, 194]);
  expect(cleanBox([120, 5, 50, 50], [100, 200])).toBeUndefined();
});

test("views stay within their clips and rotate with the given chance", () => {
  const random = new Random({ seed: 1, stream: 77 });
  const views = Array.from({ length: 4000 }, () => drawViewTheta(random, { scaleFactor: 0.25, rotationFactor: 30, probability: 0.8 }));
  for (const [a, b, , c, d] of views) {
    expect(b).toBe(-c);
    expect(a).toBe(d);
    expect(Math.hypot(a, b)).toBeGreaterThanOrEqual(0.75 - 1e-9);
    expect(Math.hypot(a, b)).toBeLessThanOrEqual(1.25 + 1e-9);
    expect(Math.abs(Math.atan2(b, a))).toBeLessThanOrEqual(Math.PI / 3 + 1e-9);
  }
  expect(views.filter(([, b]) => b === 0).length / views.length).toBeCloseTo(0.2, 1);
});

/** A Gaussian of sigma 2 with a sub-pixel mean on a 48x64 map. */
const gaussian = (x: number, y: number) => Float32Array.from({ length: 48 * 64 }, (_, i) => Math.exp(-((i % 48 - x) ** 2 + (Math.floor(i / 48) - y) ** 2) / 8));

test("the published decodings: quarter shift, borders, an empty map, back to the image", () => {
  const decode = (map: Float32Array) => {
    const { coordinates, scores } = decodeHeatmaps(map, { count: 1, height: 64, width: 48, joints: 1, shift: true });
    return { point: [coordinates[0], coordinates[1]] as [number, number], score: scores[0] as number };
  };
  const crop = { center: [100, 120], scale: [0.8, 1.066667], size: [48, 64] } as const;
  const inside = decode(gaussian(20.3, 30.4));
  near([...inside.point, inside.score], [20.25, 30.25, 0.9692332]);
  near(heatmapToImage(inside.point, crop), [87.5, 114.1667], 3);
  expect(decode(gaussian(1.2, 30.4)).point).toEqual([1, 30]);
  expect(decode(gaussian(46.6, 62.1)).point).toEqual([47, 62]);
  const empty = decode(new Float32Array(48 * 64).fill(-1));
  expect([...empty.point, empty.score]).toEqual([0, 0, -1]);
  near(heatmapToImage(empty.point, crop), [20, 13.3333], 3);
});

test("skeletons are consistent: pairs mirror names, limbs and maps stay inside", () => {
  for (const skeleton of [COCO17, UNION24]) {
    const count = skeleton.jointNames.length;
    for (const [a, b] of skeleton.flipPairs) {
      const side = (name = "") => name.replace(/^(left|right)_/, "");
      expect(side(skeleton.jointNames[a])).toBe(side(skeleton.jointNames[b]));
    }
    for (const joint of [...skeleton.limbs.flat(), ...skeleton.upperBody, ...skeleton.fromCoco]) expect(joint).toBeLessThan(count);
    skeleton.fromCoco.forEach((joint, k) => expect(skeleton.jointNames[joint]).toBe(COCO17.jointNames[k] as string));
  }
});

test("a network's joints follow from their number, fourteen from the data set too", () => {
  expect([24, 17, 16].map((count) => skeletonFor(count))).toEqual([UNION24, COCO17, MPII16]);
  expect(skeletonFor(14, ["coco", "crowdpose"])).toBe(CROWDPOSE14);
  expect(() => skeletonFor(15)).toThrow(/17.*24.*15/);
  expect(() => skeletonFor(14, ["coco", "mpii"])).toThrow("ai_challenger, crowdpose, lspet");
});
