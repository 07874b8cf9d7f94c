/** Reads one annotation file and prints what that took, in a process of its own: bun bench/read_annotations.ts FILE */
import { readFileSync } from "node:fs";
import { personRecords, readCocoGroundTruth } from "../src/data/coco.ts";
import { COCO17 } from "../src/pose/skeleton.ts";

const [, , file = ""] = process.argv;
const started = performance.now();
const truth = await readCocoGroundTruth(file);
const records = personRecords(truth, { place: { annotations: file, images: "" }, skeleton: COCO17, inputSize: [192, 256] });
const seconds = (performance.now() - started) / 1000;
const peak = /VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
console.log(JSON.stringify({ seconds, peakBytes: 1024 * Number(peak), annotations: truth.annotations.length, persons: records.length }));
