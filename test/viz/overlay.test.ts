import { expect, test } from "bun:test";
import { COCO17 } from "../../src/pose/skeleton.ts";
import { drawOverlay } from "../../src/viz/overlay.ts";
import { type Color, colorDistance, pictureOf, plainImage } from "../support/pictures.ts";

const GREY: Color = [90, 90, 90];
const LEFT: Color = [0x00, 0xb4, 0xff];
const RIGHT: Color = [0xff, 0x6d, 0x2e];
/** Lines on it are 2 px wide. */
const image = plainImage(400, 320, GREY);
const joint = (name: string) => COCO17.jointNames.indexOf(name);

/** A person of whom only the given joints are seen. */
function person(joints: Record<string, readonly [x: number, y: number, score: number]>): { keypoints: number[] } {
  const keypoints = Array.from({ length: 51 }, () => 0);
  for (const [name, values] of Object.entries(joints)) keypoints.splice(3 * joint(name), 3, ...values);
  return { keypoints };
}

const draw = async (...args: Parameters<typeof drawOverlay>) => pictureOf(await drawOverlay(...args));

test("without persons the image is left as it is", async () => {
  const picture = await draw(image, [], { skeleton: COCO17 });
  expect([picture.width, picture.height]).toEqual([400, 320]);
  expect(picture.count((color) => colorDistance(color, GREY) > 0)).toBe(0);
});

test("joints are at their places in the colour of their side, limbs between them", async () => {
  const left = person({ left_shoulder: [80, 60, 1], left_elbow: [80, 180, 1] });
  const right = person({ right_hip: [300, 60, 1], right_knee: [300, 260, 1] });
  const picture = await draw(image, [left, right], { skeleton: COCO17 });
  for (const [x, y] of [[80, 60], [80, 180], [80, 120]] as const) expect(colorDistance(picture.at(x, y), LEFT), `${x}, ${y}`).toBeLessThan(20);
  for (const [x, y] of [[300, 60], [300, 260], [300, 160]] as const) expect(colorDistance(picture.at(x, y), RIGHT), `${x}, ${y}`).toBeLessThan(20);
  expect(picture.at(190, 120)).toEqual(GREY); // no limb from one person to the other
  expect(picture.count((color) => colorDistance(color, GREY) > 0)).toBeLessThan(0.03 * 400 * 320);
});

test("joints of a low score are left out, and the limbs that end there", async () => {
  const seen = person({ left_shoulder: [80, 60, 0.9], left_elbow: [80, 180, 0.1], left_wrist: [80, 280, 0.9] });
  const picture = await draw(image, [seen], { skeleton: COCO17, minScore: 0.2 });
  expect(colorDistance(picture.at(80, 60), LEFT)).toBeLessThan(20);
  expect(picture.at(80, 180)).toEqual(GREY);
  expect(picture.at(80, 120)).toEqual(GREY);
  expect(picture.at(80, 230)).toEqual(GREY);
  expect(colorDistance(picture.at(80, 280), LEFT)).toBeLessThan(20);
});

test("a box is a frame, and a label may hold any character", async () => {
  const boxed = { ...person({}), box: [100, 80, 200, 160] as const, label: `<a & "b">` };
  const picture = await draw(image, [boxed], { skeleton: COCO17 });
  for (const [x, y] of [[100, 160], [300, 160], [200, 240]] as const) {
    expect(picture.count((color) => color[0] > 110, { x: x - 2, y: y - 2, width: 5, height: 5 })).toBeGreaterThan(0);
  }
  expect(picture.at(200, 160)).toEqual(GREY);
  expect(picture.count(([red]) => red > 160, { x: 100, y: 60, width: 100, height: 18 })).toBeGreaterThan(40); // the label's letters
});

test("a small image is enlarged by a whole factor, with everything on it", async () => {
  const small = plainImage(50, 40, GREY);
  const picture = await draw(small, [person({ nose: [25, 20, 1], left_eye: [10, 10, 1] })], { skeleton: COCO17, minSide: 150 });
  expect([picture.width, picture.height]).toEqual([200, 160]);
  expect(colorDistance(picture.at(100, 80), [0xff, 0xe1, 0x4d])).toBeLessThan(20); // the nose is neither left nor right
  expect(colorDistance(picture.at(40, 40), LEFT)).toBeLessThan(20);
});
