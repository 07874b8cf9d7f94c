import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32c, EventFile, tfRecord } from "../../src/train/tensorboard.ts";
import { readEvents } from "../support/event_files.ts";

const folder = mkdtempSync(join(tmpdir(), "limber-events-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** 3 x 2 px, RGB. */
async function picture(): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  return new Uint8Array(await sharp({ create: { width: 3, height: 2, channels: 3, background: "#f00" } }).png().toBuffer());
}

describe("records", () => {
  test("CRC-32C has the check values of RFC 3720", () => {
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  test("a record of 24 bytes begins as every event file of TensorFlow does", () => {
    expect(Buffer.from(tfRecord(new Uint8Array(24))).subarray(0, 12).toString("hex")).toBe("1800000000000000a37f4b22");
  });
});

describe("event files", () => {
  test("hold version, scalars and images as an independent reader sees them", async () => {
    const png = await picture();
    const file = EventFile.open(join(folder, "a"), { nowMs: () => 1_700_000_000_500 });
    file.scalars(1, { "loss/pose": 0.1, "lr": 1e-3 });
    file.scalars(2 ** 33, { "loss/pose": Number.NaN });
    file.image(300, "views", png);
    file.close();
    expect(file.path).toContain("events.out.tfevents.1700000000.");
    const events = readEvents(readFileSync(file.path));
    expect(events.map(({ wallTime }) => wallTime)).toEqual([1_700_000_000.5, 1_700_000_000.5, 1_700_000_000.5, 1_700_000_000.5]);
    expect(events.map(({ step }) => step)).toEqual([0, 1, 2 ** 33, 300]);
    expect(events[0]?.version).toBe("brain.Event:2");
    expect(events[1]?.values).toEqual([{ tag: "loss/pose", scalar: Math.fround(0.1) }, { tag: "lr", scalar: Math.fround(1e-3) }]);
    expect(events[2]?.values[0]?.scalar).toBeNaN();
    expect(events[3]?.values).toEqual([{ tag: "views", image: { height: 2, width: 3, colorspace: 3, png } }]);
  });

  test("a damaged byte is found by the reader", () => {
    const name = readdirSync(join(folder, "a"))[0] ?? "";
    const bytes = readFileSync(join(folder, "a", name));
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    expect(() => readEvents(bytes)).toThrow("sum");
  });

  test("a resumed run adds a file that makes later steps void, a new one begins alone", () => {
    const at = join(folder, "b");
    const write = (resumedStep?: number) => {
      const file = EventFile.open(at, { resumedStep });
      file.scalars((resumedStep ?? 0) + 1, { x: 1 });
      file.close();
      return readEvents(readFileSync(file.path));
    };
    write();
    const resumed = write(5);
    expect(readdirSync(at).length).toBe(2);
    expect(resumed.map(({ step, sessionStart }) => [step, sessionStart])).toEqual([[0, false], [6, true], [6, false]]);
    write();
    expect(readdirSync(at).length).toBe(1);
  });

  test("what cannot be written is told as a file's mistake", () => {
    writeFileSync(join(folder, "taken"), "");
    expect(() => EventFile.open(join(folder, "taken", "c"))).toThrow(expect.objectContaining({ code: "file/enotdir" }));
  });
});
