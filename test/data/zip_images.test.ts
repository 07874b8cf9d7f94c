import { expect, test } from "bun:test";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { personRecords } from "../../src/data/coco.ts";
import { decodeImage, ImageCache, readImageSize, sharpModule } from "../../src/data/image.ts";
import { writeZip, ZipArchive } from "../../src/data/zip.ts";
import { COCO17 } from "../../src/pose/skeleton.ts";

test("images inside a zip archive decode as those of a folder, by either form of path", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limber-test-"));
  try {
    const sharp = await sharpModule();
    const pixels = Uint8Array.from({ length: 3 * 12 * 9 }, (_, i) => (i * 37) % 256);
    const loose = join(folder, "7.png");
    await sharp(pixels, { raw: { width: 12, height: 9, channels: 3 } }).png().toFile(loose);
    const bytes = new Uint8Array(await readFile(loose));
    const archive = join(folder, "train2017.zip");
    await writeZip(archive, { "7.png": bytes, "train2017/7.png": bytes, "broken.png": bytes.subarray(0, 40) });
    const wanted = await decodeImage(loose);
    expect(wanted.pixels).toEqual(pixels);
    for (const path of [`${archive}@/7.png`, `${archive}@7.png`, `${archive}@/train2017/7.png`]) {
      expect(await decodeImage(path)).toEqual(wanted);
      expect(await readImageSize(path)).toEqual([12, 9]);
    }
    expect(await new ImageCache(2 ** 20).get(`${archive}@/7.png`)).toEqual(wanted);
    await expect(decodeImage(`${archive}@/8.png`)).rejects.toThrow('no entry "8.png"');
    await expect(decodeImage(`${archive}@/broken.png`)).rejects.toThrow("cannot be decoded");
    await expect(decodeImage(join(folder, "none.zip@/7.png"))).rejects.toThrow("zip archive not found");
    await writeFile(join(folder, "none.zip"), await readFile(archive));
    expect(await decodeImage(join(folder, "none.zip@/7.png"))).toEqual(wanted);
    const damaged = new Uint8Array(await readFile(archive));
    damaged[60] = (damaged[60] as number) ^ 0xff; // inside the first entry: its check sum fails
    await writeFile(join(folder, "damaged.zip"), damaged);
    await expect(decodeImage(join(folder, "damaged.zip@/7.png"))).rejects.toMatchObject({ code: "data/image-corrupt" });
    // An archive in place of an image folder: records lead into it.
    const truth = { images: [{ id: 7, width: 12, height: 9, fileName: "7.png" }], annotations: [{ id: 1, imageId: 7, keypoints: Array.from({ length: 51 }, () => 2), bbox: [1, 1, 6, 6] as const, area: 36, iscrowd: false, numKeypoints: 17 }] };
    const [record] = personRecords(truth, { place: { annotations: "", images: `${archive}@` }, skeleton: COCO17, inputSize: [48, 64] });
    expect(await decodeImage(record?.imagePath ?? "")).toEqual(wanted);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** Little-endian fields of 2, 4 or 8 bytes. */
const fields = (...values: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]) =>
  Buffer.concat(
    values.map(([bytes, value]) => {
      const field = Buffer.alloc(bytes);
      if (bytes === 8) field.writeBigUInt64LE(BigInt(value));
      else field.writeUIntLE(value, 0, bytes);
      return field;
    }),
  );

test("an archive beyond 4 GiB and 65535 entries, as COCO's train2017.zip is, with a hole in place of its other images", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limber-test-"));
  try {
    const path = join(folder, "train2017.zip");
    const data = Buffer.from("an image beyond 4 GiB");
    const start = 5 * 2 ** 30 + 3;
    const [full, many] = [0xffffffff, 0xffff];
    const name = (i: number) => `train2017/${String(i).padStart(12, "0")}.jpg`;
    // Of the entry only the offset is too large for its field, so it alone stands in the ZIP64 extra field.
    const entry = (i: number, offset: number) =>
      Buffer.concat([
        fields([4, 0x02014b50], [2, 45], [2, 45], [2, 0], [2, 0], [4, 0], [4, crc32(data)], [4, data.length], [4, data.length], [2, name(i).length], [2, 12], [2, 0], [2, 0], [2, 0], [4, 0], [4, full]),
        Buffer.from(name(i)),
        fields([2, 1], [2, 8], [8, offset]),
      ]);
    const count = many + 3;
    const local = Buffer.concat([fields([4, 0x04034b50], [2, 45], [2, 0], [2, 0], [4, 0], [4, crc32(data)], [4, data.length], [4, data.length], [2, name(0).length], [2, 0]), Buffer.from(name(0)), data]);
    const directory = Buffer.concat(Array.from({ length: count }, (_, i) => entry(i, start)));
    const directoryAt = start + local.length;
    const end = Buffer.concat([
      fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, directory.length], [8, directoryAt]),
      fields([4, 0x07064b50], [4, 0], [8, directoryAt + directory.length], [4, 1]),
      fields([4, 0x06054b50], [2, 0], [2, 0], [2, many], [2, many], [4, full], [4, full], [2, 0]),
    ]);
    const file = await open(path, "w");
    await file.write(Buffer.concat([local, directory, end]), 0, undefined, start);
    await file.close();
    const archive = await ZipArchive.open(path);
    expect(archive.names).toHaveLength(count);
    expect(Buffer.from(await archive.read(name(0))).toString()).toBe(data.toString());
    expect(Buffer.from(await archive.read(name(count - 1))).toString()).toBe(data.toString());
    await archive.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
