/**
 * Checkpoints of a training run: a safetensors file and a small JSON file that names it with its length and hash.
 * The JSON is written last and replaces the previous one in a single rename, and tensor files carry their hash in
 * their name; so at any moment, also after a kill, the JSON names a complete tensor file.
 */
import { promises as fs } from "node:fs";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { DataError } from "../error.ts";
import { removeStaleTemporaries, systemErrorCode, writeChunksAtomic, writeFileAtomic } from "../files.ts";
import { openSafetensors, safetensorsChunks, type StoredTensor } from "../interop/safetensors.ts";

/** What the metadata of a tensor file and the JSON say. */
export const CHECKPOINT_FORMAT = "limber-checkpoint";
const VERSION = 1;
/** Begins the names of a model's tensors. */
export const MODEL_PREFIX = "model.";

const FOREIGN_FIX = "give a checkpoint, for example best.json in the folder of a run, or weights as .pth, .pt, .pth.tar or .safetensors";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const stateSchema = v.object({
  epoch: count,
  step: count,
  stepInEpoch: count,
  learningRate: v.pipe(v.number(), v.finite()),
  best: v.nullable(v.object({ score: v.pipe(v.number(), v.finite()), epoch: count })),
  seed: count,
  configDigest: v.string(),
  config: v.record(v.string(), v.unknown()),
  counters: v.record(v.string(), v.pipe(v.number(), v.finite())),
});

const recordSchema = v.object({
  format: v.literal(CHECKPOINT_FORMAT),
  version: v.number(),
  tensors: v.object({
    file: v.pipe(v.string(), v.regex(/^[\w.-]+\.safetensors$/)),
    bytes: count,
    sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  }),
  state: stateSchema,
});

/** Where a run stands; everything besides the tensors that the next step depends on. */
export interface CheckpointState {
  /** Epochs finished; also the number of the epoch to go on with. */
  epoch: number;
  /** Optimiser steps finished since the beginning. */
  step: number;
  /** Of these, the steps finished in the epoch to go on with; 0 between epochs. */
  stepInEpoch: number;
  /** Learning rate of the next step. */
  learningRate: number;
  /** Best validation score so far and the epoch count it was reached at. */
  best: { score: number; epoch: number } | null;
  seed: number;
  /** Digest of the configuration's values that fix a run's numbers (configDigest). */
  configDigest: string;
  /** The whole resolved configuration. */
  config: Readonly<Record<string, unknown>>;
  /** Further whole or fractional numbers, such as the optimiser's step or batches seen by batchnorm. */
  counters: Readonly<Record<string, number>>;
}

/** What a checkpoint holds. Tensor names are PyTorch's, with a prefix: MODEL_PREFIX, or for example "adam.m.". */
export interface Checkpoint {
  tensors: ReadonlyMap<string, StoredTensor>;
  state: CheckpointState;
}

function recordPath(folder: string, name: string): string {
  return join(folder, `${name}.json`);
}

/**
 * Writes a checkpoint under a name such as "latest" or "best". Until it is complete the previous one of that name
 * stays valid; afterwards its tensor file and the leavings of killed processes are removed.
 * @throws DataError where the disk refuses; the previous checkpoint is then untouched.
 */
export async function saveCheckpoint(folder: string, name: string, checkpoint: Checkpoint): Promise<void> {
  if (!/^[\w-]+$/.test(name)) throw new Error(`"${name}" cannot name a checkpoint`);
  const chunks = safetensorsChunks(checkpoint.tensors, { metadata: { format: CHECKPOINT_FORMAT } });
  const hasher = new Bun.CryptoHasher("sha256");
  for (const chunk of chunks) hasher.update(chunk);
  const sha256 = hasher.digest("hex");
  const file = `${name}-${sha256.slice(0, 16)}.safetensors`;
  await writeChunksAtomic(join(folder, file), chunks);
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const record = { format: CHECKPOINT_FORMAT, version: VERSION, tensors: { file, bytes, sha256 }, state: checkpoint.state };
  await writeFileAtomic(recordPath(folder, name), `${JSON.stringify(record, undefined, 2)}\n`);
  for (const other of await fs.readdir(folder)) {
    const owner = /^([\w-]+)-[0-9a-f]{16}\.safetensors$/.exec(other)?.[1];
    if (owner === name && other !== file) await fs.rm(join(folder, other), { force: true });
  }
  await removeStaleTemporaries(folder);
}

/** Whether a checkpoint of that name exists (it may still be unreadable). */
export async function hasCheckpoint(folder: string, name: string): Promise<boolean> {
  return Bun.file(recordPath(folder, name)).exists();
}

/**
 * Reads a checkpoint and checks that its two files belong together and are complete.
 * @throws DataError that says what is wrong and what to do.
 */
export async function loadCheckpoint(folder: string, name: string): Promise<Checkpoint> {
  return loadCheckpointFile(recordPath(folder, name));
}

/** As loadCheckpoint, from the path of the JSON file or of the tensor file beside it. */
export async function loadCheckpointFile(path: string): Promise<Checkpoint> {
  const jsonPath = path.endsWith(".safetensors") ? await recordOf(path) : path;
  const record = parseRecord(jsonPath, await readRecord(jsonPath));
  const tensorPath = join(dirname(jsonPath), record.tensors.file);
  const file = Bun.file(tensorPath);
  if (!(await file.exists())) {
    throw unusable(jsonPath, `the tensor file ${record.tensors.file} that it names does not exist`);
  }
  if (file.size !== record.tensors.bytes) {
    throw unusable(tensorPath, `expected ${record.tensors.bytes} bytes, the file has ${file.size}`);
  }
  const hasher = new Bun.CryptoHasher("sha256");
  const contents = await openSafetensors(tensorPath);
  for await (const chunk of file.stream()) hasher.update(chunk);
  if (hasher.digest("hex") !== record.tensors.sha256)
    throw unusable(tensorPath, "its contents are not those that were written (SHA-256 differs)");
  const tensors = new Map<string, StoredTensor>();
  for (const name of contents.entries.keys()) tensors.set(name, await contents.read(name));
  return { tensors, state: record.state };
}

/** The JSON file that names a tensor file. */
async function recordOf(tensorPath: string): Promise<string> {
  if (!(await Bun.file(tensorPath).exists())) throw missing(tensorPath, "does not exist");
  const owner = /^([\w-]+)-[0-9a-f]{16}\.safetensors$/.exec(basename(tensorPath))?.[1];
  const path = owner === undefined ? undefined : recordPath(dirname(tensorPath), owner);
  if (path !== undefined && (await Bun.file(path).exists())) {
    if (parseRecord(path, await readRecord(path)).tensors.file === basename(tensorPath)) return path;
  }
  throw new DataError({
    code: "checkpoint/foreign",
    message: "is not a checkpoint of this program: no JSON file beside it names it",
    fix: FOREIGN_FIX,
    where: tensorPath,
  });
}

async function readRecord(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await Bun.file(path).text();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined || !["ENOENT", "ENOTDIR", "EACCES", "EISDIR"].includes(code)) throw error;
    const what = {
      ENOENT: "does not exist",
      ENOTDIR: "does not exist",
      EACCES: "may not be read",
      EISDIR: "is a folder",
    }[code];
    throw missing(path, what ?? "cannot be read", error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(
      {
        code: "checkpoint/foreign",
        message: "is not a checkpoint: not JSON",
        fix: FOREIGN_FIX,
        where: path,
      },
      { cause: error },
    );
  }
}

function parseRecord(path: string, raw: unknown): v.InferOutput<typeof recordSchema> {
  const tag = v.safeParse(v.object({ format: v.literal(CHECKPOINT_FORMAT), version: v.number() }), raw);
  if (!tag.success) {
    throw new DataError({
      code: "checkpoint/foreign",
      message: `is not a checkpoint: it lacks "format": "${CHECKPOINT_FORMAT}"`,
      fix: FOREIGN_FIX,
      where: path,
    });
  }
  if (tag.output.version !== VERSION) {
    throw new DataError({
      code: "checkpoint/version",
      message: `has format version ${tag.output.version}, this program reads version ${VERSION}`,
      fix: "use the version of the program that wrote it",
      where: path,
    });
  }
  const result = v.safeParse(recordSchema, raw);
  if (!result.success) {
    const issue = result.issues[0];
    throw unusable(path, `${v.getDotPath(issue) ?? "contents"}: ${issue.message}`);
  }
  return result.output;
}

function missing(path: string, what: string, cause?: unknown): DataError {
  return new DataError(
    {
      code: "checkpoint/missing",
      message: `the checkpoint ${what}`,
      fix: "check the path; a run keeps latest.json and best.json in its folder",
      where: path,
    },
    { cause },
  );
}

function unusable(path: string, message: string): DataError {
  return new DataError({
    code: "checkpoint/damaged",
    message: `the checkpoint is damaged: ${message}`,
    fix: "restore both files from a copy, use another checkpoint of the folder, or start the run anew without --resume",
    where: path,
  });
}
