/** Runs of the real command line on a few synthetic images with a network of 33,000 parameters. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

const CONFIG = `MODEL:
  NAME: pose_cons
  NUM_JOINTS: 17
  IMAGE_SIZE: [32, 32]
  EXTRA: { NUM_LAYERS: 8, WIDTH: 8, NUM_DECONV_LAYERS: 2, NUM_DECONV_FILTERS: [16, 16], SIGMA: 1 }
DATASET:
  ROOT: data
  TRAIN_DATASET: mix_coco_coco
  TRAIN_LEN: 8
  COLOR_RGB: true
  SYNTHETIC: { TRAIN_IMAGES: 30, VAL_IMAGES: 4, IMAGE_SIZE: [48, 48], SEED: 3 }
USE_JointCutout_AUG: true
MASK_JOINT_NUM: 3
TRAIN: { LR: 0.002, LR_STEP: [2], BEGIN_EPOCH: 0, END_EPOCH: 2, BATCH_SIZE: 3, CHECKPOINT_STEPS: 5 }
TEST: { BATCH_SIZE: 4, INTERVAL: 1, FLIP_TEST: true }
PRINT_FREQ: 5
WORKERS: 2
`;

/** What a finished process left. */
export interface Outcome {
  code: number | null;
  signal: string | number | null;
  output: string;
  errors: string;
}

/** A folder with the configuration tiny.yaml, in which commands are run. */
export class TinyProject {
  readonly folder = mkdtempSync(join(tmpdir(), "limber-run-"));

  constructor() {
    writeFileSync(join(this.folder, "tiny.yaml"), CONFIG);
  }

  /** Starts a command in the folder. */
  start(args: readonly string[], env: Record<string, string> = {}): { child: Bun.Subprocess; outcome: Promise<Outcome> } {
    const child = Bun.spawn([process.execPath, MAIN, ...args], { cwd: this.folder, stdout: "pipe", stderr: "pipe", env: { ...process.env, ...env } });
    const outcome = Promise.all([child.exited, new Response(child.stdout).text(), new Response(child.stderr).text()]).then(([, output, errors]) => ({
      code: child.exitCode,
      signal: child.signalCode,
      output,
      errors,
    }));
    return { child, outcome };
  }

  /** Runs a command to its end. */
  run(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
    return this.start(args, env).outcome;
  }

  /** Trains into the folder `output`; overrides behind it. */
  train(output: string, ...overrides: string[]): Promise<Outcome> {
    return this.run(["train", "--cfg", "tiny.yaml", `OUTPUT_DIR=${output}`, ...overrides]);
  }

  /** Folder that a run of tiny.yaml writes to. */
  runFolder(output: string, method = "pose_cons"): string {
    return join(this.folder, output, "mix_coco_coco", `${method}_8`, "tiny");
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
