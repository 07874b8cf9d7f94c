/** Arrays of a dictionary that NumPy saved as an object (np.save of a dict): a pickle, of which nothing is executed. */
import { readFile } from "node:fs/promises";
import { DataError } from "../error.ts";
import { PickleError, type PickleHooks, Tuple, unpickle } from "../interop/pickle.ts";
import { decodeNumpy, type NpyArray, parseNpyHeader } from "./npy.ts";

/** A type of NumPy's. */
class Type {
  byteOrder = "<";
  constructor(readonly code: string) {}
}

/** An array whose contents come with its state. */
class Unfinished {
  array: NpyArray | undefined;
  /** Of object arrays: their elements. */
  objects: readonly unknown[] | undefined;
}

/** Functions and classes of the pickles of np.save, by the names of NumPy 1 and 2. */
const KNOWN: Readonly<Record<string, string>> = {
  "numpy.core.multiarray _reconstruct": "array",
  "numpy._core.multiarray _reconstruct": "array",
  "numpy ndarray": "class",
  "numpy dtype": "type",
  "_codecs encode": "bytes",
};

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function numbersOf(value: unknown): number[] {
  if (value instanceof Tuple && value.items.every((item) => typeof item === "number")) return value.items as number[];
  throw new PickleError("has an array without a shape");
}

/** Elements of an array's state: (version, shape, type, column-major, bytes or list of objects). */
function fillArray(target: Unfinished, state: Tuple): Unfinished {
  const [, shape, type, columnMajor, content] = state.items;
  if (!(type instanceof Type)) throw new PickleError("has an array without a type");
  if (Array.isArray(content)) target.objects = content;
  else if (content instanceof Uint8Array) {
    const descriptor = `${type.byteOrder}${type.code}`;
    target.array = decodeNumpy({ descriptor, shape: numbersOf(shape), columnMajor: columnMajor === true, bytes: content }, (message) => new PickleError(message));
  } else throw new PickleError("has an array without contents");
  return target;
}

const HOOKS: PickleHooks = {
  global(module, name) {
    const kind = KNOWN[`${module} ${name}`];
    if (kind === undefined) throw new PickleError(`names ${module}.${name}, which is not taken from files`);
    return kind;
  },
  call(callable, args) {
    if (callable === "array") return new Unfinished();
    if (callable === "type" && typeof args[0] === "string") return new Type(args[0]);
    // Protocol 2 has no bytes: they are a text in Latin-1.
    if (callable === "bytes" && typeof args[0] === "string") return latin1(args[0]);
    throw new PickleError("calls what is no function");
  },
  build(target, state) {
    if (!(state instanceof Tuple)) throw new PickleError("sets a state that is no tuple");
    if (target instanceof Type) {
      const order = state.items[1];
      target.byteOrder = typeof order === "string" ? order : "<";
      return target;
    }
    if (target instanceof Unfinished) return fillArray(target, state);
    throw new PickleError("sets the state of what has none");
  },
  persistent() {
    throw new PickleError("names something outside of the file");
  },
};

/**
 * The arrays of a dictionary in an .npy file, for example AI Challenger's gt_validation.npy. Lists of text become arrays of text.
 * Errors: DataError naming the file where it is missing, damaged, or holds anything else.
 */
export async function readNpyDictionary(path: string): Promise<Map<string, NpyArray>> {
  const bad = (message: string, cause?: unknown) =>
    new DataError({ code: "data/npy", where: path, message, fix: "expected an .npy file of a dictionary of arrays; copy or download it again" }, cause === undefined ? undefined : { cause });
  const file = await readFile(path).catch((cause: unknown) => {
    throw bad("file not found or not readable", cause);
  });
  const { descriptor, bytes } = parseNpyHeader(file, path);
  if (!descriptor.endsWith("O")) throw bad(`an array of type ${descriptor}, expected a dictionary`);
  let value: unknown;
  try {
    ({ value } = unpickle(bytes, HOOKS));
  } catch (cause) {
    if (cause instanceof PickleError) throw bad(`the pickle in it ${cause.message}`, cause);
    throw cause;
  }
  const dictionary = value instanceof Unfinished ? value.objects?.[0] : value;
  if (!(dictionary instanceof Map)) throw bad("the object in it is no dictionary");
  const arrays = new Map<string, NpyArray>();
  for (const [name, entry] of dictionary as Map<unknown, unknown>) {
    const words = entry instanceof Unfinished ? entry.objects : Array.isArray(entry) ? entry : undefined;
    const array = entry instanceof Unfinished && entry.array ? entry.array : words?.every((word) => typeof word === "string") ? { shape: [words.length], data: words as string[] } : undefined;
    if (typeof name === "string" && array) arrays.set(name, array);
  }
  return arrays;
}
