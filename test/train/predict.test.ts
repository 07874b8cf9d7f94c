/** `bun run predict` at the published size against PyTorch on the same photograph; runs where LIMBER_SLOW is set. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readNpy } from "../../src/data/npy.ts";
import { TinyProject } from "../support/tiny_run.ts";
import { TOLERANCES } from "../tolerances.ts";

setDefaultTimeout(300_000);

const FOLDER = join(tmpdir(), "limber-predict");
const REQUEST = join(FOLDER, "request.json");
const slow = process.env["LIMBER_SLOW"] !== undefined;
if (slow && !existsSync(REQUEST)) console.log(`${REQUEST} is missing: run python3 test/golden/predict.py IMAGE X,Y,W,H first`);

const CONFIGS = {
  pose_resnet50: "MODEL: { NAME: pose_resnet, NUM_JOINTS: 17, IMAGE_SIZE: [192, 256], EXTRA: { NUM_LAYERS: 50 } }\nDATASET: { COLOR_RGB: false }\n",
  hrnet_w32:
    "MODEL: { NAME: pose_hrnet, NUM_JOINTS: 17, IMAGE_SIZE: [192, 256], EXTRA: { STAGE3: { NUM_MODULES: 4 }, STAGE4: { NUM_MODULES: 3 } } }\nDATASET: { COLOR_RGB: true }\n",
};

const project = new TinyProject();
afterAll(() => project.remove());

for (const [name, config] of Object.entries(CONFIGS)) {
  test.skipIf(!slow || !existsSync(REQUEST))(`slow, needs the files of test/golden/predict.py: predict with a .pth of ${name} gives PyTorch's heatmaps on a photograph`, async () => {
    const { image, box } = JSON.parse(readFileSync(REQUEST, "utf8")) as { image: string; box: string };
    writeFileSync(join(project.folder, `${name}.yaml`), config);
    const heatmaps = join(project.folder, `${name}.npy`);
    const { code, errors } = await project.run(["predict", "--model-file", join(FOLDER, `${name}.pth`), "--cfg", `${name}.yaml`, "--image", image, "--bbox", box, "--out", name, "--save-heatmaps", heatmaps]);
    expect(errors).not.toContain("error");
    expect(code).toBe(0);
    const [actual, expected] = [await readNpy(heatmaps), await readNpy(join(FOLDER, `${name}.npy`))];
    expect(actual.shape).toEqual(expected.shape);
    const [own, torch] = [actual.data, expected.data].map((data) => Float64Array.from(data as Float32Array));
    if (!own || !torch) throw new Error("no heatmaps");
    const largest = torch.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const difference = torch.reduce((most, value, i) => Math.max(most, Math.abs(value - (own[i] as number))), 0);
    console.log(`${name}: largest difference ${(difference / largest).toExponential(2)} of the largest value ${largest.toPrecision(4)}`);
    expect(difference / largest).toBeLessThanOrEqual(TOLERANCES.torchNetwork.relative);
  });
}
