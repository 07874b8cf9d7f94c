/**
 * Keys of the semi-supervised methods and their augmentations, most of them at the top level as in MultiAugs. Which
 * combinations make sense is in method_checks.ts.
 */
import * as v from "valibot";
import { aboveZero, absentable, key, MOST_EPOCHS, pair, section, share, whole } from "./key.ts";

/** Teacher's views in a progression: A30 is the loader's image; A60 a second affine; the others are augmentations of it. */
const TEACHER_CODES = ["A30", "A60", "JC", "JO", "CO", "MU", "CM", "RA", "TA", "YOCORA", "YOCOTA"] as const;

/** Student's views: A60 is the affine alone; augmentations may be joined by + and run in the order of the chain. */
const STUDENT_VIEW = /^(A60|(JC|JO|CO|MU|CM)(\+(JC|JO|CO|MU|CM))*)$/;

const couple = v.strictTuple([
  v.picklist(TEACHER_CODES),
  v.pipe(v.string(), v.regex(STUDENT_VIEW, 'a student view such as "A60" or "JC+CM"')),
]);

type Couples = readonly (readonly [teacher: (typeof TEACHER_CODES)[number], student: string])[];

const single: Couples = [["A30", "A60"], ["A30", "MU"], ["A30", "CM"], ["A30", "CO"], ["A30", "JO"], ["A30", "JC"]];
const stairs: Couples = [["A30", "A60"], ["A60", "MU"], ["MU", "CM"], ["CM", "CO"], ["CO", "JO"], ["JO", "JC"]];
const mixed: Couples = [["A30", "A60"], ["A30", "CM"], ["A30", "JC"], ["A30", "JC+CM"]];
const occluded: Couples = [["A30", "A60"], ["A30", "CO"], ["A30", "JO"], ["A30", "JO+CO"]];

function progression(couples: Couples, description: string) {
  return key(v.pipe(v.array(couple), v.minLength(1)), couples.map(([teacher, student]): [typeof teacher, string] => [teacher, student]), description);
}

const reversed = (couples: Couples): Couples => [...couples].reverse();

const progressions = section({
  PROG_1: progression(single, "couples [teacher, student] that PROG_MODE: PROG_1 runs through"),
  PROG_2: progression(reversed(single), "those of PROG_2"),
  PROG_3: progression(stairs, "those of PROG_3"),
  PROG_4: progression(reversed(stairs), "those of PROG_4"),
  PROG_5: progression(mixed, "those of PROG_5"),
  PROG_6: progression(occluded, "those of PROG_6"),
  PROG_7: progression(reversed(mixed), "those of PROG_7"),
  PROG_8: progression(reversed(occluded), "those of PROG_8"),
});

/**
 * Oddities of the original that change training. Each key may be set by itself; left out, PARITY decides. The values
 * of both settings are in PARITY_OPTIONS.
 */
const options = section({
  SWAP_CUT_LIMITS: absentable(v.boolean(), "true: cutout, CutMix and joint cutout take the height for the width, as the original does (no effect on square inputs)"),
  SWAP_JOINT_AXES: absentable(v.boolean(), "true: joint cut-occlusion pastes at (y, x) of a joint at (x, y), as the original does"),
  JOINT_POOL: absentable(v.picklist(["all", "labelled"]), "joints that patches are drawn at: all channels, as the original does, or those of the labelled set"),
  DUAL_HOLE_COUNTS: absentable(
    v.picklist(["original", "as_configured"]),
    "original: with several views pose_dual cuts 4 holes for cutout and 5 for joint cutout's CutMix, whatever the keys say",
  ),
  CENTRE_SHIFT: absentable(v.boolean(), "true: pseudo labels are warped about a point 0.375 heatmap px off the images', as the original does"),
  ADAM_WEIGHT_DECAY: key(v.boolean(), false, "true: TRAIN.WD counts for adam too; false: for sgd and rmsprop only, as the original does"),
});

/** What each setting of PARITY means for the options that are left out. */
export const PARITY_OPTIONS = {
  original: { SWAP_CUT_LIMITS: true, SWAP_JOINT_AXES: true, JOINT_POOL: "all", DUAL_HOLE_COUNTS: "original", CENTRE_SHIFT: true },
  corrected: { SWAP_CUT_LIMITS: false, SWAP_JOINT_AXES: false, JOINT_POOL: "labelled", DUAL_HOLE_COUNTS: "as_configured", CENTRE_SHIFT: false },
} as const;

const sspcm = section({
  CORRECTION_WARMUP_EPOCH: key(whole(-1, MOST_EPOCHS), -1, "pseudo labels of the third network are corrected in epochs above this; the released code has 0 and stops in epoch 0"),
  SCORE_FILTER: key(v.boolean(), true, "drop joints whose two teachers' mean peak is not above SCORE_FILTER_THRESH"),
  SCORE_FILTER_THRESH: key(share, 0.1, "threshold of SCORE_FILTER"),
  SCORE_WEIGHT: key(v.boolean(), false, "weigh joints by 1 less the difference of the two teachers' peaks"),
  DISTANCE_FILTER: key(
    v.picklist(["none", "drop", "weight", "mask"]),
    "none",
    "what the teachers' distance by the heatmap's diagonal does: drop and weight change the third network's term, mask joins it with the score's filter for all terms",
  ),
  DISTANCE_THRESH: key(share, 0.6, "threshold of DISTANCE_FILTER drop and mask"),
  FEATURE_ATTACK: key(v.boolean(), false, "zero one random cell of the students' deepest features"),
  OTHER_MODEL: section({
    BACKBONE: key(v.picklist(["", "resnet", "hrnet"]), "", "another backbone for the third network; empty: that of the other two"),
    NUM_LAYERS: key(v.picklist([8, 10, 18, 34, 50, 101, 152]), 18, "its depth where BACKBONE is resnet; all else is as MODEL.EXTRA says"),
  }),
});

/** As many as the largest network has joints; a rule of method_checks.ts bounds them by the configured one. */
const jointCount = whole(0, 24);
const boxCount = whole(0, 100);

const switchKey = (description: string) => key(v.boolean(), false, description);

/** Keys at the top level. */
export const methodKeys = {
  UNSUP_TRANSFORM: key(v.boolean(), true, "warp the student's views by a second random affine"),
  USE_RandAug_AUG: switchKey("RandAugment of the student's view"),
  USE_TrivialAug_AUG: switchKey("TrivialAugment of the student's view"),
  USE_YOCORA_AUG: switchKey("YOCO: half of each of two RandAugment views"),
  USE_YOCOTA_AUG: switchKey("YOCO: half of each of two TrivialAugment views"),
  USE_JointCutout_AUG: switchKey("JC: hide patches at joints"),
  USE_JointCutMix_AUG: switchKey("JO: paste patches at joints of other images onto joints"),
  USE_Cutout_AUG: switchKey("CO: hide random boxes"),
  USE_MixUp_AUG: switchKey("MU: add a quarter at most of another image"),
  USE_CutMix_AUG: switchKey("CM: fill random boxes from another image"),
  USE_JointCutMix_CutOut_AUG: switchKey("T_JOCO: JO, then CO"),
  USE_JointCutout_CutMix_AUG: switchKey("T_JCCM: JC, then CM"),
  CONS_RAND_AUG: switchKey("the same as USE_RandAug_AUG, by its name in Semi_Human_Pose"),
  RAND_MAGNITUDE: key(pair(whole(0, 30), "lowest, highest"), 20, "magnitude of RandAugment; two numbers: drawn between them for each operation"),
  MASK_JOINT_NUM: key(jointCount, 5, "patches per image of JC, NUM_JOINTS at most; named in a file without any USE_ key it turns JC on"),
  KP_CutMix_JOINT_NUM: key(jointCount, 2, "patches per image of JO, NUM_JOINTS at most"),
  MASK_HOLES_NUM_CO: key(boxCount, 5, "boxes per image of CO"),
  MASK_HOLES_NUM_CM: key(boxCount, 2, "boxes per image of CM"),
  AUG_SIZE_SCALE: key(aboveZero(16), 1, "multiplies the px of boxes, patches and their jitter, which fit inputs of 192x256; for smaller inputs the input's height by 256"),
  MULTI_AUGS: switchKey("one student view for every augmentation that is on; without it, one view by all of them in a chain"),
  REPEAT_AUG: switchKey("REPEAT_TIMES student views for every augmentation that is on"),
  REPEAT_TIMES: key(whole(1, 64), 2, "views of REPEAT_AUG"),
  HEAT_FUSION: switchKey("compare the mean of the students' heatmaps with the pseudo label, not each"),
  SHARPEN_PRED: switchKey("compare heatmaps after a softmax over their pixels; its losses are near 1e-9, as the original's"),
  CONF_MASKING: switchKey("leave out joints whose warped pseudo label has a peak of CONF_THRESH at most"),
  CONF_THRESH: key(share, 0.5, "threshold of CONF_MASKING"),
  PROG_MODE: key(v.picklist(["", "PROG_1", "PROG_2", "PROG_3", "PROG_4", "PROG_5", "PROG_6", "PROG_7", "PROG_8"]), "", "run through these couples of AUG_EASY_HARD_COUPLES in the course of the training; empty: none"),
  STEP_WISE: switchKey("run through them in the course of every epoch"),
  AUG_EASY_HARD_COUPLES: progressions,
  RAW_INPUT: switchKey("unlabelled images without the loader's random scale, rotation and flip"),
  ACCUMULATE_VIEWS: switchKey("run the student views one by one, each with its own backward pass: less memory, same gradients"),
  PARITY: key(v.picklist(["original", "corrected"]), "corrected", "what the keys of OPTIONS are that are left out: as the original program, or without its oddities"),
  OPTIONS: options,
  SSPCM: sspcm,
  SAVE_INTER: key(whole(0, MOST_EPOCHS), 0, "also keep the weights of every so many epochs, where validated; 0: none"),
  EXP_SUB_NAME: key(v.pipe(v.string(), v.regex(/^[^/\\]*$/, "a name without slashes")), "", "appended to the name of the run's folder"),
  DEBUG: section({
    DEBUG: switchKey("write image grids of batches as the other keys of this section say"),
    SAVE_BATCH_IMAGES_GT: switchKey("images with annotated joints"),
    SAVE_BATCH_IMAGES_PRED: switchKey("images with predicted joints"),
    SAVE_HEATMAPS_GT: switchKey("target heatmaps"),
    SAVE_HEATMAPS_PRED: switchKey("predicted heatmaps"),
  }),
};
