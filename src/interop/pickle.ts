/**
 * A reader of Python's pickles (protocols 2 to 5, https://github.com/python/cpython/blob/main/Lib/pickletools.py) that
 * executes nothing: names of classes and functions are looked up by the caller, which refuses what it does not know.
 * The machine has no recursion, and its work is bounded by the length of the pickle.
 */

/** What is wrong with a pickle. `truncated` where the bytes end too early. */
export class PickleError extends Error {
  constructor(
    message: string,
    readonly truncated = false,
  ) {
    super(message);
  }
}

/** A Python tuple; a list is an array. */
export class Tuple {
  constructor(readonly items: readonly unknown[]) {}
}

/** What the caller makes of a pickle's calls. Dictionaries are Maps, bytes are Uint8Arrays, large integers are bigints. */
export interface PickleHooks {
  /** The value of a class or function by name. Throws PickleError for what it refuses. */
  global(module: string, name: string): unknown;
  /** What a call of such a value gives. */
  call(callable: unknown, args: readonly unknown[]): unknown;
  /** What an object becomes when its state is set. */
  build(target: unknown, state: unknown): unknown;
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown;
}

/** An integer of more bytes is refused: no format writes one, and making it takes quadratic time. */
const MAX_INTEGER_BYTES = 256;

const MAX_NAME_BYTES = 1024;

const LATIN1 = new TextDecoder("latin1");
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads little-endian fields and never beyond the end. */
class ByteReader {
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Position of the next `count` bytes, which are then passed. */
  #take(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) throw new PickleError("the pickle is cut off", true);
    this.at = start + count;
    return start;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  u64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  f64BigEndian(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  view(count: number): Uint8Array {
    const start = this.#take(count);
    return this.bytes.subarray(start, start + count);
  }

  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) {
      if (this.bytes.length - this.at > MAX_NAME_BYTES) throw new PickleError("a name has no end");
      throw new PickleError("the pickle is cut off", true);
    }
    if (end - this.at > MAX_NAME_BYTES) throw new PickleError("a name has no end");
    return decodeUtf8(this.view(end + 1 - this.at).subarray(0, -1));
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new PickleError("a text is not UTF-8"); // the decoder says no more
  }
}

/** A signed little-endian integer; a number where it is exact. */
function integer(bytes: Uint8Array): number | bigint {
  if (bytes.length > MAX_INTEGER_BYTES) throw new PickleError(`an integer of ${bytes.length} bytes`);
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  value = BigInt.asIntN(8 * bytes.length, value);
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** Values with marks between them. */
class Stack {
  readonly #values: unknown[] = [];
  readonly #marks: number[] = [];

  push(value: unknown): void {
    this.#values.push(value);
  }

  pop(): unknown {
    if (this.#values.length <= (this.#marks.at(-1) ?? 0)) throw new PickleError("takes more from its stack than is there");
    return this.#values.pop();
  }

  top(): unknown {
    if (this.#values.length <= (this.#marks.at(-1) ?? 0)) throw new PickleError("takes more from its stack than is there");
    return this.#values.at(-1);
  }

  mark(): void {
    this.#marks.push(this.#values.length);
  }

  popToMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new PickleError("has no mark on its stack");
    return this.#values.splice(mark);
  }

  /** Removes the top, mark or value. */
  drop(): void {
    if (this.#marks.at(-1) === this.#values.length) this.#marks.pop();
    else this.pop();
  }
}

function asTuple(value: unknown): readonly unknown[] {
  if (value instanceof Tuple) return value.items;
  throw new PickleError("calls something with what is no tuple");
}

function setItems(target: unknown, pairs: readonly unknown[]): void {
  if (!(target instanceof Map)) throw new PickleError("sets an item of what is no dictionary");
  if (pairs.length % 2 !== 0) throw new PickleError("has a key without a value");
  for (let i = 0; i < pairs.length; i += 2) target.set(pairs[i], pairs[i + 1]);
}

function append(target: unknown, items: readonly unknown[]): void {
  if (!Array.isArray(target)) throw new PickleError("appends to what is no list");
  for (const item of items) target.push(item);
}

/**
 * Reads the pickle that begins at `start`, to its STOP. Returns the value and the position behind it.
 * @throws PickleError for damaged bytes, for opcodes of protocols 0 and 1, and for what the hooks refuse.
 */
export function unpickle(bytes: Uint8Array, hooks: PickleHooks, start = 0): { value: unknown; end: number } {
  const reader = new ByteReader(bytes, start);
  const stack = new Stack();
  const memo = new Map<number, unknown>();
  const remember = (index: number) => memo.set(index, stack.top());
  const recall = (index: number) => {
    if (!memo.has(index)) throw new PickleError(`recalls memo ${index}, which was never set`);
    stack.push(memo.get(index));
  };
  for (;;) {
    const opcode = reader.u8();
    switch (opcode) {
      case 0x80: { // PROTO
        const protocol = reader.u8();
        if (protocol > 5) throw new PickleError(`has protocol ${protocol}, expected 5 at most`);
        break;
      }
      case 0x95: // FRAME
        reader.u64();
        break;
      case 0x2e: // STOP
        return { value: stack.pop(), end: reader.at };
      case 0x28: // MARK
        stack.mark();
        break;
      case 0x30: // POP
        stack.drop();
        break;
      case 0x31: // POP_MARK
        stack.popToMark();
        break;
      case 0x32: // DUP
        stack.push(stack.top());
        break;
      case 0x63: { // GLOBAL
        const module = reader.line();
        stack.push(hooks.global(module, reader.line()));
        break;
      }
      case 0x93: { // STACK_GLOBAL
        const name = stack.pop();
        const module = stack.pop();
        if (typeof name !== "string" || typeof module !== "string") throw new PickleError("names a class by what is no text");
        stack.push(hooks.global(module, name));
        break;
      }
      case 0x52: // REDUCE
      case 0x81: { // NEWOBJ
        const args = asTuple(stack.pop());
        stack.push(hooks.call(stack.pop(), args));
        break;
      }
      case 0x62: { // BUILD
        const state = stack.pop();
        stack.push(hooks.build(stack.pop(), state));
        break;
      }
      case 0x51: // BINPERSID
        stack.push(hooks.persistent(stack.pop()));
        break;
      case 0x50: // PERSID
        stack.push(hooks.persistent(reader.line()));
        break;
      case 0x71: // BINPUT
        remember(reader.u8());
        break;
      case 0x72: // LONG_BINPUT
        remember(reader.u32());
        break;
      case 0x94: // MEMOIZE
        remember(memo.size);
        break;
      case 0x68: // BINGET
        recall(reader.u8());
        break;
      case 0x6a: // LONG_BINGET
        recall(reader.u32());
        break;
      case 0x29: // EMPTY_TUPLE
        stack.push(new Tuple([]));
        break;
      case 0x74: // TUPLE
        stack.push(new Tuple(stack.popToMark()));
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: { // TUPLE3
        const items = Array.from({ length: opcode - 0x84 }, () => stack.pop());
        stack.push(new Tuple(items.reverse()));
        break;
      }
      case 0x5d: // EMPTY_LIST
        stack.push([]);
        break;
      case 0x6c: // LIST
        stack.push(stack.popToMark());
        break;
      case 0x61: { // APPEND
        const item = stack.pop();
        append(stack.top(), [item]);
        break;
      }
      case 0x65: { // APPENDS
        const items = stack.popToMark();
        append(stack.top(), items);
        break;
      }
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x64: { // DICT
        const pairs = stack.popToMark();
        const made = new Map();
        setItems(made, pairs);
        stack.push(made);
        break;
      }
      case 0x73: { // SETITEM
        const value = stack.pop();
        const name = stack.pop();
        setItems(stack.top(), [name, value]);
        break;
      }
      case 0x75: { // SETITEMS
        const pairs = stack.popToMark();
        setItems(stack.top(), pairs);
        break;
      }
      case 0x8f: // EMPTY_SET
        stack.push(new Set());
        break;
      case 0x90: { // ADDITEMS
        const items = stack.popToMark();
        const target = stack.top();
        if (!(target instanceof Set)) throw new PickleError("adds to what is no set");
        for (const item of items) target.add(item);
        break;
      }
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
        stack.push(true);
        break;
      case 0x89: // NEWFALSE
        stack.push(false);
        break;
      case 0x4a: // BININT
        stack.push(reader.i32());
        break;
      case 0x4b: // BININT1
        stack.push(reader.u8());
        break;
      case 0x4d: // BININT2
        stack.push(reader.u16());
        break;
      case 0x8a: // LONG1
        stack.push(integer(reader.view(reader.u8())));
        break;
      case 0x8b: // LONG4
        stack.push(integer(reader.view(reader.u32())));
        break;
      case 0x47: // BINFLOAT
        stack.push(reader.f64BigEndian());
        break;
      case 0x58: // BINUNICODE
        stack.push(decodeUtf8(reader.view(reader.u32())));
        break;
      case 0x8c: // SHORT_BINUNICODE
        stack.push(decodeUtf8(reader.view(reader.u8())));
        break;
      case 0x8d: // BINUNICODE8
        stack.push(decodeUtf8(reader.view(reader.u64())));
        break;
      case 0x55: // SHORT_BINSTRING, a text of Python 2
        stack.push(LATIN1.decode(reader.view(reader.u8())));
        break;
      case 0x54: // BINSTRING
        stack.push(LATIN1.decode(reader.view(reader.u32())));
        break;
      case 0x43: // SHORT_BINBYTES
        stack.push(reader.view(reader.u8()));
        break;
      case 0x42: // BINBYTES
        stack.push(reader.view(reader.u32()));
        break;
      case 0x8e: // BINBYTES8
        stack.push(reader.view(reader.u64()));
        break;
      default:
        throw new PickleError(`has the opcode 0x${opcode.toString(16).padStart(2, "0")} at byte ${reader.at - 1}, which this reader does not take`);
    }
  }
}
