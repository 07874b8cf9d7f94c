/**
 * TensorBoard's event files: TFRecords of the protocol buffer Event, with scalars and PNG images. Formats:
 * tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { writeError } from "../files.ts";

/** CRC-32C (Castagnoli), reflected. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C of some bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** TFRecord masks its sums, so that a sum over data that hold sums stays a good one. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One TFRecord: length, its sum, the data, their sum. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(16 + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

const UTF8 = new TextEncoder();

/** A field of a protocol buffer: its number, and a text, bytes, a whole number, a float or a double. */
type Field = readonly [number: number, value: string | Uint8Array | { integer: number } | { float: number } | { double: number }];

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

/** A protocol buffer's message. */
function message(...fields: readonly Field[]): Uint8Array {
  const parts = fields.map(([number, value]) => {
    if (typeof value === "string" || value instanceof Uint8Array) {
      const bytes = typeof value === "string" ? UTF8.encode(value) : value;
      return Buffer.concat([Uint8Array.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes]);
    }
    if ("integer" in value) return Uint8Array.from([...varint(number << 3), ...varint(value.integer)]);
    const wide = "double" in value;
    const fixed = new DataView(new ArrayBuffer(wide ? 8 : 4));
    if (wide) fixed.setFloat64(0, value.double, true);
    else fixed.setFloat32(0, value.float, true);
    return Uint8Array.from([...varint((number << 3) | (wide ? 1 : 5)), ...new Uint8Array(fixed.buffer)]);
  });
  return new Uint8Array(Buffer.concat(parts));
}

const START = 1;
/** By the PNG's colour type. */
const COLORSPACES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 };

/** Writes one event file; buffered until flush(). */
export class EventFile {
  readonly path: string;
  readonly #file: number;
  readonly #nowMs: () => number;
  #records: Uint8Array[] = [];

  private constructor(path: string, nowMs: () => number) {
    this.path = path;
    this.#nowMs = nowMs;
    this.#file = openSync(path, "a");
  }

  /**
   * Opens a new file in a folder, which is made. A run that begins anew removes the files of the one before; one that goes
   * on behind `resumedStep` has TensorBoard drop what it knows of later steps.
   * @throws DataError where the folder cannot be written.
   */
  static open(folder: string, { resumedStep, nowMs = () => Date.now() }: { resumedStep?: number | undefined; nowMs?: () => number } = {}): EventFile {
    const base = join(folder, `events.out.tfevents.${Math.floor(nowMs() / 1000)}.${hostname()}.${process.pid}`);
    try {
      mkdirSync(folder, { recursive: true });
      const old = readdirSync(folder).filter((name) => name.startsWith("events.out.tfevents."));
      if (resumedStep === undefined) for (const name of old) rmSync(join(folder, name));
      const file = new EventFile(`${base}.${resumedStep === undefined ? 0 : old.length}`, nowMs);
      file.#event(0, [3, "brain.Event:2"]);
      if (resumedStep !== undefined) file.#event(resumedStep + 1, [7, message([1, { integer: START }])]);
      file.flush();
      return file;
    } catch (error) {
      throw writeError(base, error);
    }
  }

  /** Numbers of a step. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    this.#event(step, [5, message(...Object.entries(values).map(([tag, value]): Field => [1, message([1, tag], [2, { float: value }])]))]);
  }

  /** A PNG image. */
  image(step: number, tag: string, png: Uint8Array): void {
    const header = new DataView(png.buffer, png.byteOffset, 26); // signature, IHDR: width, height, depth, colour type
    const image = message([1, { integer: header.getUint32(20) }], [2, { integer: header.getUint32(16) }], [3, { integer: COLORSPACES[header.getUint8(25)] ?? 3 }], [4, png]);
    this.#event(step, [5, message([1, message([1, tag], [4, image])])]);
  }

  #event(step: number, what: Field): void {
    this.#records.push(tfRecord(message([1, { double: this.#nowMs() / 1000 }], ...(step === 0 ? [] : [[2, { integer: step }] as const]), what)));
  }

  /** Hands all records to the operating system. @throws DataError where the disk is full. */
  flush(): void {
    const bytes = Buffer.concat(this.#records);
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#file, bytes, written);
    } catch (error) {
      throw writeError(this.path, error);
    }
    this.#records = [];
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}
