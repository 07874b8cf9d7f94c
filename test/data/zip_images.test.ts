import { expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { personRecords } from "../../src/data/coco.ts";
import { decodeImage, ImageCache, readImageSize, sharpModule } from "../../src/data/image.ts";
import { writeZip } from "../../src/data/zip.ts";
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
