/** A reader of TensorBoard's event files that shares no code with the writer. */

/** CRC-32C bit by bit. */
function sumOf(bytes: Uint8Array): number {
  let register = 0xffff_ffffn;
  for (const byte of bytes) {
    register ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) register = register & 1n ? (register >> 1n) ^ 0x82f6_3b78n : register >> 1n;
  }
  const crc = register ^ 0xffff_ffffn;
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282_ead8n) & 0xffff_ffffn);
}

/** What an event holds. */
export interface StoredEvent {
  wallTime: number;
  step: number;
  version?: string;
  sessionStart: boolean;
  values: { tag: string; scalar?: number; image?: { height: number; width: number; colorspace: number; png: Uint8Array } }[];
}

type Fields = Map<number, (number | Uint8Array)[]>;

function fieldsOf(bytes: Uint8Array): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = view.getUint8(at++);
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    let value: number | Uint8Array;
    if (key % 8 === 0) value = varint();
    else if (key % 8 === 1) value = view.getFloat64((at += 8) - 8, true);
    else if (key % 8 === 5) value = view.getFloat32((at += 4) - 4, true);
    else if (key % 8 === 2) {
      const length = varint();
      value = bytes.slice(at, (at += length));
    } else throw new Error(`wire type ${key % 8}`);
    const number = Math.floor(key / 8);
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}

const numberIn = (fields: Fields, field: number) => Number(fields.get(field)?.[0] ?? 0);
const bytesIn = (fields: Fields, field: number) => fields.get(field)?.[0] as Uint8Array;
const textIn = (fields: Fields, field: number) => new TextDecoder().decode(bytesIn(fields, field));

/** All events of a file. Throws where a sum or a length is wrong. */
export function readEvents(file: Uint8Array): StoredEvent[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const events: StoredEvent[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    if (view.getUint32(at + 8, true) !== sumOf(file.subarray(at, at + 8))) throw new Error("the length's sum is wrong");
    const data = file.slice(at + 12, at + 12 + length);
    if (view.getUint32(at + 12 + length, true) !== sumOf(data)) throw new Error("the data's sum is wrong");
    at += 16 + length;
    const event = fieldsOf(data);
    const summary = event.has(5) ? fieldsOf(bytesIn(event, 5)) : new Map();
    events.push({
      wallTime: numberIn(event, 1),
      step: numberIn(event, 2),
      ...(event.has(3) ? { version: textIn(event, 3) } : {}),
      sessionStart: event.has(7) && numberIn(fieldsOf(bytesIn(event, 7)), 1) === 1,
      values: (summary.get(1) ?? []).map((bytes: Uint8Array) => {
        const value = fieldsOf(bytes);
        const image = value.has(4) ? fieldsOf(bytesIn(value, 4)) : undefined;
        return {
          tag: textIn(value, 1),
          ...(value.has(2) ? { scalar: numberIn(value, 2) } : {}),
          ...(image ? { image: { height: numberIn(image, 1), width: numberIn(image, 2), colorspace: numberIn(image, 3), png: bytesIn(image, 4) } } : {}),
        };
      }),
    });
  }
  return events;
}
