import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { driverCandidates } from "../../src/gpu/driver.ts";
import { openNativeDevice } from "../../src/gpu/native.ts";

const named = process.env["VK_DRIVER_FILES"] ?? process.env["VK_ICD_FILENAMES"];

test.skipIf(named !== undefined)("a GPU's driver whose manifest lies where the loader does not look is tried first, a software driver's there is not", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limber-drivers-"));
  const manifest = (library: string) => JSON.stringify({ file_format_version: "1.0.0", ICD: { library_path: library, api_version: "1.3.0" } });
  try {
    const count = () => driverCandidates("hardware", [folder]).length;
    expect(count()).toBe(1);
    await writeFile(join(folder, "lvp_icd.json"), manifest("libvulkan_lvp.so"));
    expect(count()).toBe(1);
    await writeFile(join(folder, "nvidia_icd.json"), manifest("libGLX_nvidia.so.0"));
    expect(driverCandidates("hardware", [folder]).map(({ kind }) => kind)).toEqual(["system", "system"]);
    expect(driverCandidates("swiftshader", [folder]).map(({ kind }) => kind)).toEqual(["swiftshader"]);
    await driverCandidates("hardware", [folder])[0]?.apply(); // a driver that cannot be loaded is passed over by what follows
    expect((await openNativeDevice()).info.kind).toBeString();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 60_000);
