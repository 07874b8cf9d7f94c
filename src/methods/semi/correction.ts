/** SSPCM: what a third network learns, on labels that four teachers' maps correct, and what the pair learns beside it. Source: multiaugs §12. */
import type { BufferRange } from "../../gpu/device.ts";
import { attackMask } from "../../kernels/attack_mask.ts";
import { agreementWeights, correctLabels } from "../../kernels/label_correction.ts";
import { emptyTensor, type Tensor } from "../../tensor/tensor.ts";
import type { CorrectionFacts } from "./facts.ts";
import { type Lesson, look, peaksOf } from "./lesson.ts";

/** Sites of the feature attack's draws: beyond those of all lanes of augmentations. */
const ATTACK_SITES = 2 ** 24;

/**
 * The pair's lessons, by the joints that both agree on, and the third network's.
 * @param lessons what the pair would learn alone
 * @param call.given what each of the pair teaches; `base` what joints count without filters [batch, joints]; `diagonal` of the input and
 * `scale` from cells to it, px
 */
export function correctedLessons(
  lessons: readonly Lesson[],
  { correction, easy, given, corrected, base, batch, diagonal, scale }: { correction: CorrectionFacts; easy: Tensor; given: readonly Lesson[]; corrected: boolean; base: BufferRange; batch: number; diagonal: number; scale: number },
): Lesson[] {
  const { gpu } = easy;
  const [a, b] = given as [Lesson, Lesson];
  const [, height = 0, width = 0, joints = 0] = a.taught.shape;
  // Before the correction begins, now stands for then: the pairs are one, and the labels its mean.
  const [oldA, oldB] = corrected ? (correction.previous.networks.map((own) => look(own, { image: easy, slot: 0 })) as [Tensor, Tensor]) : [a.taught, b.taught];
  const [oldPeaksA, oldPeaksB] = corrected ? [peaksOf(oldA, { batch, scale }), peaksOf(oldB, { batch, scale })] : [a.peaks, b.peaks];
  const taught = emptyTensor(gpu, a.taught.shape, { label: "corrected maps" });
  correctLabels(gpu, {
    maps: { first: a.taught.range, second: b.taught.range, firstOld: oldA.range, secondOld: oldB.range },
    peaks: { first: a.peaks, second: b.peaks, firstOld: oldPeaksA, secondOld: oldPeaksB },
    out: taught.range,
    batch,
    pixels: width * height,
    joints,
  });
  const [everyone, third] = ["weight by agreement", "third weight by agreement"].map((label) => gpu.allocate(4 * batch * joints, label)) as [BufferRange, BufferRange];
  agreementWeights(gpu, { first: a.peaks, second: b.peaks, base, everyone, third, count: batch * joints, diagonal, rules: correction });
  return [...lessons.map((lesson) => ({ ...lesson, weight: everyone })), { taught, toStudent: a.toStudent, peaks: peaksOf(taught, { batch, scale }), weight: third }];
}

/**
 * What the feature attack takes from a launch: zeros at one random cell of every student's row.
 * @param mask [rows, h, w, 1], filled
 * @param call.labelled whether the launch begins with a batch of labelled rows, which keep all cells; `lane` of the network and the launch
 */
export function drawFeatureAttack(mask: Tensor, { keys, batch, labelled, lane }: { keys: BufferRange; batch: number; labelled: boolean; lane: number }): void {
  const [rows = 0, height = 0, width = 0] = mask.shape;
  attackMask(mask.gpu, { keys, mask: mask.range, rows, cells: height * width, batch, first: labelled ? batch : 0, site: ATTACK_SITES + lane });
}
