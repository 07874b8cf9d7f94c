/** Runs of the real command line on thirty synthetic images with a network of 33,000 parameters. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** Two epochs of ten steps, a checkpoint in the middle of each. */
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
TRAIN: { LR: 0.002, LR_STEP: [1], END_EPOCH: 2, BATCH_SIZE: 3, CHECKPOINT_STEPS: 5 }
TEST: { BATCH_SIZE: 4, INTERVAL: 1, FLIP_TEST: true }
PRINT_FREQ: 5
WORKERS: 2
AUG_SIZE_SCALE: 0.125
PARITY: original
`;

/** What a finished process left. */
export interface Outcome {
  code: number | null;
  signal: string | number | null;
  output: string;
  errors: string;
}

/** The content of a JSON file. */
export function readJson(path: string) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** Hash of a run's newest tensors as they lie on the disk: weights, moments, running statistics. */
export function tensorHash(folder: string): string {
  const { tensors } = readJson(join(folder, "latest.json"));
  const hash = new Bun.CryptoHasher("sha256").update(readFileSync(join(folder, tensors.file))).digest("hex");
  if (hash !== tensors.sha256) throw new Error(`${folder}: latest.json names another hash`);
  return hash;
}

/** Files below a folder that were not finished. */
export function unfinishedFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true }).map(String).filter((name) => /\.(tmp|part)/.test(name));
}

/** A folder with the configuration tiny.yaml, in which commands are run. */
export class TinyProject {
  readonly folder = mkdtempSync(join(tmpdir(), "limber-run-"));

  constructor() {
    writeFileSync(join(this.folder, "tiny.yaml"), CONFIG);
  }

  /** What starts a command of the program. */
  command(args: readonly string[]): string[] {
    return [process.execPath, MAIN, ...args];
  }

  /** Starts a command in the folder. */
  start(args: readonly string[], env: Record<string, string> = {}): { child: Bun.Subprocess; outcome: Promise<Outcome> } {
    const child = Bun.spawn(this.command(args), { cwd: this.folder, stdout: "pipe", stderr: "pipe", env: { ...process.env, ...env } });
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

  /** Trains into the folder `output`; flags and overrides behind it. */
  train(output: string, ...rest: string[]): Promise<Outcome> {
    return this.run(["train", "--cfg", "tiny.yaml", `OUTPUT_DIR=${output}`, ...rest]);
  }

  /** The same, and fails where the run does. Returns the run's folder. */
  async trained(output: string, ...rest: string[]): Promise<string> {
    const { code, errors } = await this.train(output, ...rest);
    if (code !== 0) throw new Error(`exit code ${code}: ${errors}`);
    return this.runFolder(output, rest);
  }

  /** Starts a training run and sends a signal once a checkpoint of that step or a later one is there. */
  async interrupted(output: string, { step, signal, rest = [] }: { step: number; signal: NodeJS.Signals; rest?: readonly string[] }): Promise<Outcome> {
    const { child, outcome } = this.start(["train", "--cfg", "tiny.yaml", `OUTPUT_DIR=${output}`, ...rest]);
    const file = join(this.runFolder(output, rest), "latest.json");
    while (!existsSync(file) || readJson(file).state.step < step) {
      if (child.exitCode !== null) throw new Error(`the run ended before step ${step}: ${(await outcome).errors}`);
      await Bun.sleep(1);
    }
    child.kill(signal);
    return outcome;
  }

  /** Folder that a run of tiny.yaml writes to. */
  runFolder(output: string, rest: readonly string[] = []): string {
    const method = rest.find((key) => key.startsWith("MODEL.NAME="))?.slice("MODEL.NAME=".length) ?? "pose_cons";
    return join(this.folder, output, "mix_coco_coco", `${method}_8`, "tiny");
  }

  /** Path of one of the validation images, relative to the folder. */
  image(): string {
    const images = join("data", "coco", "images", "val2017");
    const [first] = readdirSync(join(this.folder, images)).filter((name) => name.endsWith(".jpg"));
    if (first === undefined) throw new Error(`${images} is empty`);
    return join(images, first);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
