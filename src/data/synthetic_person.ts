/**
 * A synthetic person: an articulated body in 3-d with joint limits, projected orthographically, dressed and shaded.
 * Lengths are in units of the body height; x right, y down, z towards the viewer; the person's left is at positive x
 * when it faces the viewer.
 */
import type { Random } from "../random.ts";

type Vector = readonly [x: number, y: number, z: number];

/** A body part to draw: a capsule from a to b. */
export interface Capsule {
  a: Vector;
  b: Vector;
  /** Radius in units of the body height. */
  radius: number;
  fill: string;
  /** COCO joints that belong to it and are not hidden by it. */
  owns: readonly number[];
}

/** A posed and dressed body. */
export interface Body {
  /** COCO joints, units of the body height. */
  joints: readonly Vector[];
  capsules: readonly Capsule[];
  head: { center: Vector; radius: number; yaw: number };
  torso: { corners: readonly Vector[]; fill: string; depth: number };
  colors: { skin: string; hair: string; shirt: string; shirtSecond: string; trousers: string };
  pattern: "plain" | "stripes" | "bars" | "checks";
}

const add = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const scale = (a: Vector, k: number): Vector => [a[0] * k, a[1] * k, a[2] * k];

function rotateY([x, y, z]: Vector, angle: number): Vector {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [c * x + s * z, y, -s * x + c * z];
}

function rotateX([x, y, z]: Vector, angle: number): Vector {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [x, c * y - s * z, s * y + c * z];
}

function rotateZ([x, y, z]: Vector, angle: number): Vector {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return [c * x - s * y, s * x + c * y, z];
}

/** Hue in turns, saturation and lightness in [0, 1]. */
export function hsl(hue: number, saturation: number, lightness: number): string {
  return `hsl(${(((hue % 1) + 1) % 1) * 360},${(saturation * 100).toFixed(1)}%,${(lightness * 100).toFixed(1)}%)`;
}

const RADIANS = Math.PI / 180;

/** A hanging limb of two bones, swung forward (pitch), sideways (roll, positive outwards), the second bone bent. */
function limb(root: Vector, { side, pitch, roll, bend, lengths }: { side: 1 | -1; pitch: number; roll: number; bend: number; lengths: readonly [number, number] }): [Vector, Vector] {
  const place = (bone: Vector): Vector => rotateZ(rotateX(bone, -pitch), -side * roll);
  const middle = add(root, place([0, lengths[0], 0]));
  return [middle, add(middle, place(rotateX([0, lengths[1], 0], -bend)))];
}

/** Draws a pose within joint limits, and clothes. */
export function drawBody(random: Random): Body {
  const yaw = (random.chance(0.85) ? random.range(-30, 30) : random.range(-75, 75)) * RADIANS;
  const lean = random.normal() * 4 * RADIANS;
  const turn = (v: Vector): Vector => rotateZ(rotateY(v, yaw), lean);

  const shoulderHalf = random.range(0.095, 0.125);
  const hipHalf = random.range(0.055, 0.075);
  const torsoLength = random.range(0.27, 0.31);
  const shoulderY = -torsoLength;
  const arm = random.range(0.155, 0.18);
  const leg = random.range(0.235, 0.26);
  const crouch = random.chance(0.12) ? random.range(0.3, 0.8) : 0;

  const arms = ([1, -1] as const).map((side) => {
    const raised = random.chance(0.3);
    const roll = raised ? random.range(70, 160) : random.range(6, 60);
    const shape = {
      side,
      pitch: random.range(-20, 45) * RADIANS * (raised ? 0.4 : 1),
      roll: roll * RADIANS,
      bend: random.range(5, 80) * RADIANS,
      lengths: [arm, arm * 0.92] as const,
    };
    const shoulder: Vector = [side * shoulderHalf, shoulderY, 0];
    return [shoulder, ...limb(shoulder, shape)].map(turn) as [Vector, Vector, Vector];
  });
  const legs = ([1, -1] as const).map((side) => {
    const pitch = (random.range(-20, 32) + 50 * crouch) * RADIANS;
    const shape = {
      side,
      pitch,
      roll: random.range(0, 24) * RADIANS,
      bend: -(Math.max(0, random.range(-10, 35)) + 70 * crouch) * RADIANS,
      lengths: [leg, leg * 0.96] as const,
    };
    const hip: Vector = [side * hipHalf, 0, 0];
    return [hip, ...limb(hip, shape)].map(turn) as [Vector, Vector, Vector];
  });

  const headRadius = random.range(0.09, 0.105);
  const headYaw = yaw + random.normal() * 18 * RADIANS;
  const neck = turn([0, shoulderY - 0.045, 0]);
  const headTilt = random.normal() * 8 * RADIANS;
  const headCenter = add(neck, rotateZ([0, -headRadius * 1.15, 0], lean + headTilt));
  const onFace = (x: number, y: number, z: number): Vector => add(headCenter, rotateZ(rotateY(scale([x, y, z], headRadius), headYaw), lean + headTilt));

  const [left, right] = [arms[0] as [Vector, Vector, Vector], arms[1] as [Vector, Vector, Vector]];
  const [leftLeg, rightLeg] = [legs[0] as [Vector, Vector, Vector], legs[1] as [Vector, Vector, Vector]];
  const joints: Vector[] = [
    onFace(0, 0.1, 1),
    onFace(0.36, -0.18, 0.86),
    onFace(-0.36, -0.18, 0.86),
    onFace(0.97, 0, 0.05),
    onFace(-0.97, 0, 0.05),
    left[0], right[0], left[1], right[1], left[2], right[2],
    leftLeg[0], rightLeg[0], leftLeg[1], rightLeg[1], leftLeg[2], rightLeg[2],
  ];

  const skinLightness = random.range(0.32, 0.8);
  const skin = hsl(random.range(0.04, 0.085), random.range(0.3, 0.55), skinLightness);
  const shirtHue = random.uniform();
  const shirt = hsl(shirtHue, random.range(0.25, 0.85), random.range(0.25, 0.75));
  const shirtSecond = hsl(shirtHue + random.range(0.15, 0.6), random.range(0.1, 0.7), random.range(0.3, 0.9));
  const trousers = random.chance(0.6) ? hsl(random.range(0.5, 0.68), random.range(0.15, 0.6), random.range(0.15, 0.5)) : hsl(random.uniform(), random.range(0.1, 0.6), random.range(0.2, 0.7));
  const hair = random.chance(0.75) ? hsl(random.range(0.03, 0.12), random.range(0.1, 0.7), random.range(0.06, 0.5)) : hsl(0, 0, random.range(0.6, 0.85));
  const longSleeves = random.chance(0.45);
  const shorts = random.chance(0.3);
  const bulk = random.range(0.9, 1.25);

  const capsules: Capsule[] = [];
  arms.forEach(([shoulder, elbow, wrist], i) => {
    capsules.push({ a: shoulder, b: elbow, radius: 0.03 * bulk, fill: shirt, owns: [5 + i, 7 + i] });
    capsules.push({ a: elbow, b: wrist, radius: 0.024 * bulk, fill: longSleeves ? shirt : skin, owns: [7 + i, 9 + i] });
    capsules.push({ a: wrist, b: add(wrist, scale(add(wrist, scale(elbow, -1)), 0.22)), radius: 0.023, fill: skin, owns: [9 + i] });
  });
  legs.forEach(([hip, knee, ankle], i) => {
    capsules.push({ a: hip, b: knee, radius: 0.045 * bulk, fill: trousers, owns: [11 + i, 13 + i] });
    capsules.push({ a: knee, b: ankle, radius: 0.034 * bulk, fill: shorts ? skin : trousers, owns: [13 + i, 15 + i] });
    capsules.push({ a: ankle, b: add(ankle, rotateY([0, 0.035, 0.075], yaw)), radius: 0.026, fill: hsl(0, 0, random.range(0.08, 0.85)), owns: [15 + i] });
  });
  const shoulderPad = 0.022 * bulk;
  const corners: Vector[] = [
    turn([-shoulderHalf - shoulderPad, shoulderY - 0.01, 0]),
    turn([-0.03, shoulderY - 0.035, 0]),
    turn([0.03, shoulderY - 0.035, 0]),
    turn([shoulderHalf + shoulderPad, shoulderY - 0.01, 0]),
    turn([hipHalf + 0.04 * bulk, 0.03, 0]),
    turn([-hipHalf - 0.04 * bulk, 0.03, 0]),
  ];
  return {
    joints,
    capsules,
    head: { center: headCenter, radius: headRadius, yaw: headYaw },
    torso: { corners, fill: shirt, depth: 0 },
    colors: { skin, hair, shirt, shirtSecond, trousers },
    pattern: (["plain", "stripes", "bars", "checks"] as const)[random.integer(0, 4)] ?? "plain",
  };
}
