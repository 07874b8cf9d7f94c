import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DataError } from "../../src/error.ts";
import { openSafetensors } from "../../src/interop/safetensors.ts";
import { PoseHrnet } from "../../src/models/hrnet.ts";
import type { PoseModel } from "../../src/models/network.ts";
import { PoseResnet } from "../../src/models/pose_resnet.ts";
import { EVALUATION } from "../../src/nn/layers.ts";
import { readStateDict } from "../../src/nn/state_dict.ts";
import { ParameterStore } from "../../src/nn/store.ts";
import { persistentTensor } from "../../src/tensor/tensor.ts";
import { findPretrained } from "../../src/train/pretrained.ts";
import { loadModelWeights, loadWeights, networkShapes, openWeights } from "../../src/train/weights_file.ts";
import { Golden, torchPath } from "../golden/load.ts";
import { expectClose } from "../support/compare.ts";
import { testDevice } from "../support/device.ts";
import { type Outcome, readJson, tensorHash, TinyProject } from "../support/tiny_run.ts";

const gpu = await testDevice();

function network({ joints = 17, depth = 10 as const, seed = 1 } = {}): PoseResnet {
  const made = new PoseResnet({ depth, joints, width: 4, deconvFilters: [8, 8, 8] });
  made.store.materialise(gpu, seed);
  return made;
}

describe("a file that PyTorch wrote gives PyTorch's heatmaps:", () => {
  test.each([
    ["pose_resnet10.pth.tar", "module. taken off"],
    ["pose_dual10.pth", "left out 92 tensors of the other network"],
  ])("%s", async (name, note) => {
    const net = network();
    const lines: string[] = [];
    const report = await loadWeights(net.store, torchPath(name), { need: "all", say: (line) => lines.push(line) });
    expect(report.matched.length).toBe(networkShapes(net.store).size);
    expect(lines.join("\n")).toContain(note);
    expect(lines.at(-1)).toBe("weights   matched 92");
    const torch = await Golden.open("torch/pose_resnet10");
    const x = persistentTensor(gpu, torch.imageShape("x"), { data: torch.images("x") });
    const y = await net.forward(x, EVALUATION).toArray();
    expectClose(y, torch.images("y"), "torchNetwork", name);
  });
});

describe("what does not fit", () => {
  test("is refused with the report, or the rest is taken where that is allowed", async () => {
    const net = network({ joints: 5 });
    const before = await readStateDict(net.store);
    const lines: string[] = [];
    const load = (need: "all" | "some") => loadWeights(net.store, torchPath("pose_resnet10.pth.tar"), { need, say: (line) => lines.push(line) });
    const error = await load("all").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toContain("reshaped 2: final_layer.weight [17, 8, 1, 1] for [5, 8, 1, 1], final_layer.bias [17] for [5]");
    expect(lines).toEqual([]);
    expect(await readStateDict(net.store)).toEqual(before);
    await load("some");
    expect(lines.at(-1)).toContain("reshaped 2");
    const after = await readStateDict(net.store);
    const file = await openWeights(torchPath("pose_resnet10.pth.tar"));
    expect(after.get("final_layer.weight")).toEqual(before.get("final_layer.weight"));
    for (const name of ["conv1.weight", "deconv_layers.6.weight", "bn1.running_var"]) expect(after.get(name)?.data).toEqual((await file.read(`module.${name}`)).data);
  });

  test("for a start from other weights the backbone must be whole, the last layer stays as it was", async () => {
    const net = network();
    const before = await readStateDict(net.store);
    const say = () => undefined;
    await loadWeights(net.store, torchPath("pose_resnet10.pth.tar"), { need: "backbone", say });
    const after = await readStateDict(net.store);
    expect(after.get("final_layer.weight")).toEqual(before.get("final_layer.weight"));
    expect(after.get("conv1.weight")).not.toEqual(before.get("conv1.weight"));
    const deeper = new PoseResnet({ depth: 18, joints: 17, width: 4, deconvFilters: [8, 8, 8] });
    deeper.store.materialise(gpu, 1);
    await expect(loadWeights(deeper.store, torchPath("pose_resnet10.pth.tar"), { need: "backbone", say })).rejects.toThrow("missing 40: layer1.1.conv1.weight");
    await expect(loadWeights(net.store, torchPath("types.pth"), { need: "some", say })).rejects.toThrow("not one of its tensors fits");
  });
});

describe("MODEL.PRETRAINED", () => {
  const say = () => undefined;

  test("of an HRNet gives the layers of its list alone, or all with *, the last one too", async () => {
    const make = () => {
      const net = new PoseHrnet({
        joints: 5,
        stem: 4,
        stages: [
          { modules: 1, block: "basic", blocks: [2, 1], channels: [4, 6] },
          { modules: 2, block: "basic", blocks: [1, 1, 2], channels: [4, 6, 8] },
          { modules: 2, block: "basic", blocks: [1, 1, 1, 1], channels: [4, 6, 8, 10] },
        ],
      });
      net.store.materialise(gpu, 3);
      return net;
    };
    const initial = await readStateDict(make().store);
    const file = await openWeights(torchPath("hrnet.pth"));
    const take = async (layers: readonly string[]) => {
      const { store } = make();
      await loadWeights(store, torchPath("hrnet.pth"), { need: "backbone", layers, say });
      const after = await readStateDict(store);
      const names = [...after.keys()].filter((name) => !name.endsWith("num_batches_tracked"));
      for (const name of names) {
        const from = layers[0] === "*" || layers.includes(name.split(".")[0] ?? "") ? await file.read(name) : initial.get(name);
        expect(Buffer.from(after.get(name)?.data ?? []).equals(Buffer.from(from?.data ?? [])), name).toBe(true);
      }
    };
    await take(["conv1", "bn1", "layer1", "stage2"]);
    await take(["*"]);
    await expect(loadWeights(make().store, torchPath("hrnet.pth"), { need: "backbone", layers: ["layer9"], say })).rejects.toThrow("has no tensor of the layers layer9");
  });

  test("gives both networks of a pair theirs of a file of two, else both the same backbone", async () => {
    const make = () => {
      const store = new ParameterStore();
      const build = (prefix: string) => ({ prefix, network: new PoseResnet({ depth: 10, joints: 17, width: 4, deconvFilters: [8, 8, 8], store, prefix }) });
      const model: PoseModel = { store, networks: [build("resnet."), build("resnet2.")] };
      store.materialise(gpu, 2);
      return model;
    };
    const read = async (model: PoseModel, path: string) => {
      await loadModelWeights(model, path, { need: "backbone", say });
      return readStateDict(model.store);
    };
    const pair = await openWeights(torchPath("pose_dual10.pth"));
    const both = await read(make(), torchPath("pose_dual10.pth"));
    for (const name of ["resnet.conv1.weight", "resnet2.conv1.weight", "resnet2.deconv_layers.6.weight"]) expect(both.get(name)?.data, name).toEqual((await pair.read(name)).data);
    expect(both.get("resnet2.final_layer.bias")?.data).toEqual((await pair.read("resnet2.final_layer_1.bias")).data);
    const one = await read(make(), torchPath("pose_resnet10.pth.tar"));
    const initial = await readStateDict(make().store);
    expect(one.get("resnet2.conv1.weight")).toEqual(one.get("resnet.conv1.weight"));
    expect(one.get("resnet.conv1.weight")).not.toEqual(initial.get("resnet.conv1.weight"));
    for (const name of ["resnet.final_layer.weight", "resnet2.final_layer.weight"]) expect(one.get(name), name).toEqual(initial.get(name));
  });

  test("is also found among PyTorch's downloads, and a file that its name's hash contradicts is told about", async () => {
    const home = mkdtempSync(join(tmpdir(), "limber-hub-"));
    const before = process.env["TORCH_HOME"];
    process.env["TORCH_HOME"] = home;
    try {
      const folder = join(home, "hub", "checkpoints");
      mkdirSync(folder, { recursive: true });
      const lines: string[] = [];
      const find = (path: string) => findPretrained(path, (line) => lines.push(line));
      const hash = new Bun.CryptoHasher("sha256").update("weights").digest("hex").slice(0, 8);
      await Bun.write(join(folder, `net-${hash}.pth`), "weights");
      await Bun.write(join(folder, "net-01234567.pth"), "weights");
      await Bun.write(join(folder, "plain.pth"), "weights");
      for (const name of [`net-${hash}.pth`, "net-01234567.pth", "plain.pth"]) expect(await find(`models/${name}`)).toBe(join(folder, name));
      expect(await find(join(folder, "plain.pth"))).toBe(join(folder, "plain.pth"));
      expect(lines.filter((line) => line.includes("SHA-256"))).toEqual([`weights   net-01234567.pth is damaged or was changed: its SHA-256 begins with ${hash}`]);
      await expect(find("models/resnet50-19c8e357.pth")).rejects.toThrow("MODEL.PRETRAINED does not exist");
      const { fix } = (await find("models/resnet50-19c8e357.pth").catch((error: unknown) => error)) as DataError;
      expect(fix).toContain("https://download.pytorch.org/models/resnet50-19c8e357.pth");
    } finally {
      if (before === undefined) delete process.env["TORCH_HOME"];
      else process.env["TORCH_HOME"] = before;
      rmSync(home, { recursive: true });
    }
  });
});

describe("commands", () => {
  setDefaultTimeout(120_000);
  const project = new TinyProject();
  afterAll(() => project.remove());
  const good = join(project.runFolder("good"), "latest.json");
  const expectDone = ({ code, output, errors }: Outcome): string => {
    expect(errors).not.toMatch(/\berror\b/);
    expect(code).toBe(0);
    return output;
  };
  beforeAll(async () => {
    await project.trained("good", "TRAIN.END_EPOCH=1");
    expectDone(await project.run(["convert", good, "w.pth", "--model", "pose_cons"]));
  });

  test("a checkpoint becomes a .pth, a .safetensors and a .pth again: the same bytes", async () => {
    const output = expectDone(await project.run(["convert", "w.pth", "w.safetensors", "--model", "pose_resnet"]));
    expect(output).toContain("network     PoseResNet-8, width 8, 17 joints");
    expectDone(await project.run(["convert", "w.safetensors", "v.pth.tar", "--model", "pose_cons"]));
    const { tensors } = readJson(good);
    const own = await openSafetensors(join(project.runFolder("good"), tensors.file));
    const file = await openSafetensors(join(project.folder, "w.safetensors"));
    expect(file.entries.size).toBeGreaterThan(40);
    for (const name of file.entries.keys()) expect((await file.read(name)).data).toEqual((await own.read(`model.${name}`)).data);
    const [first, second] = ["w.pth", "v.pth.tar"].map((name) => openWeights(join(project.folder, name)));
    const [a, b] = [await first, await second];
    if (!a || !b) throw new Error("no files");
    expect([...a.tensors.keys()].sort()).toEqual([...b.tensors.keys()].sort());
    for (const name of a.tensors.keys()) expect((await a.read(name)).data).toEqual((await b.read(name)).data);
  });

  test("every kind of network of ours is known to inspect and convert", async () => {
    for (const [name, model, text] of [
      ["hourglass", "pose_hourglass", "Hourglass-2, 5 joints"],
      ["rsgnet", "pose_rsgnet", "RSGNet-W8, 3 joints, 2 limbs"],
      ["part_generator", "part_generator", "generator of ASDA, ResNet-10, 5 categories"],
    ] as const) {
      const output = expectDone(await project.run(["inspect", torchPath(`${name}.pth`)]));
      expect(output).toContain(`network     ${text}`);
      expect(output.includes("x 10^9 multiplications")).toBe(name !== "rsgnet"); // its stages are not the published ones
      const converted = await project.run(["convert", torchPath(`${name}.pth`), `${name}.safetensors`, "--model", model, ...(name === "rsgnet" ? ["--allow-partial"] : [])]);
      expect(expectDone(converted)).toContain(`network     ${text}`);
    }
  });

  test("either network of a pair is converted alone", async () => {
    const pair = await openWeights(torchPath("pose_dual10.pth"));
    for (const [network, prefix] of [["1", "resnet."], ["2", "resnet2."]] as const) {
      for (const model of [["--model", "pose_resnet"], []]) {
        expectDone(await project.run(["convert", torchPath("pose_dual10.pth"), "one.pth", ...model, "--network", network]));
        const one = await openWeights(join(project.folder, "one.pth"));
        expect(one.tensors.size).toBe(92);
        expect((await one.read("final_layer.bias")).data).toEqual((await pair.read(`${prefix}final_layer_1.bias`)).data);
      }
    }
    const { code, errors } = await project.run(["convert", torchPath("pose_dual10.pth"), "three.pth", "--network", "3"]);
    expect(code).toBe(1);
    expect(errors).toContain("has no network 3: it holds 2");
  });

  test("inspect prints every tensor and the network", async () => {
    const output = expectDone(await project.run(["inspect", "w.pth"]));
    expect(output).toMatch(/^resnet\.conv1\.weight +F32 +\[8, 3, 7, 7\] +-0\.\d+ to 0\.\d+, mean .*, deviation /m);
    expect(output).toMatch(/^network +PoseResNet-8, width 8, 17 joints$/m);
    expect(output).toContain("resnet. taken off");
    expect(output).toMatch(/^parameters +\d+,\d+$/m);
    expect(output).toMatch(/^costs +0\.\d{3} x 10\^9 multiplications for 192x256 px; 0\.\d\d x 2\^30 as repositories count$/m);
  });

  test("valid and predict give the same from a .pth as from its checkpoint", async () => {
    const valid = (file: string) => project.run(["valid", "--cfg", "tiny.yaml", "OUTPUT_DIR=v", "--model-file", file]);
    const table = (text: string) => text.split("\n").filter((line) => line.includes("PoseResNet") || line.includes("│"));
    const [fromCheckpoint, fromTorch] = [expectDone(await valid(good)), expectDone(await valid("w.pth"))];
    expect(table(fromCheckpoint).length).toBeGreaterThan(0);
    expect(table(fromTorch)).toEqual(table(fromCheckpoint));
    const predict = (file: string, out: string, ...rest: string[]) => project.run(["predict", "--model-file", file, "--image", project.image(), "--out", out, "--save-heatmaps", `${out}.npy`, ...rest]);
    expectDone(await predict(good, "p1"));
    expectDone(await predict("w.pth", "p2", "--cfg", "tiny.yaml"));
    const heatmaps = (out: string) => readFileSync(join(project.folder, `${out}.npy`));
    expect(Buffer.compare(heatmaps("p1"), heatmaps("p2"))).toBe(0);

    const bare = await predict("w.pth", "p3");
    expect(bare.code).toBe(1);
    expect(bare.errors).toContain("holds weights without a configuration");
    const wider = ["--cfg", "tiny.yaml", "MODEL.NUM_JOINTS=24"];
    const strict = await predict("w.pth", "p4", ...wider);
    expect(strict.code).toBe(1);
    expect(strict.errors).toContain("reshaped 2: final_layer.weight [17, 16, 1, 1] for [24, 16, 1, 1]");
    expect(strict.errors).toContain("--allow-partial");
    const partial = await predict("w.pth", "p4", ...wider, "--allow-partial");
    expect(partial.code).toBe(0);
    expect(partial.errors).toContain("reshaped 2");
  });

  test("one network's weights start both of a pair, and are no weights of a pair, whatever the file's kind", async () => {
    const kinds = [good, "w.pth"];
    const pair = ["MODEL.NAME=pose_dual", "TRAIN.END_EPOCH=1", "TRAIN.STEPS_PER_EPOCH=2"];
    const hashes: string[] = [];
    for (const [i, file] of kinds.entries()) {
      const folder = await project.trained(`pair${i}`, ...pair, `MODEL.PRETRAINED=${file}`);
      expect(readFileSync(join(folder, "train.log"), "utf8")).toMatch(/net 1: weights +taken \d+ of these\n[^]*net 2: weights +taken \d+ of these/);
      hashes.push(tensorHash(folder));
      const score = (...rest: string[]) => project.run(["valid", "--cfg", "tiny.yaml", `OUTPUT_DIR=v${i}`, "MODEL.NAME=pose_dual", "--model-file", file, ...rest]);
      const refused = await score();
      expect(refused.code).toBe(1);
      expect(refused.errors).toContain(`${file}: expected weights of 2 networks, found those of 1`);
      expect(expectDone(await score("--allow-partial"))).toMatch(/net 1 .*\n.*net 2 /);
    }
    expect(hashes[0]).toBe(hashes[1] as string);
  });

  test("training starts from MODEL.PRETRAINED, and refuses what has another backbone", async () => {
    expectDone(await project.train("from", "MODEL.PRETRAINED=w.pth", "TRAIN.END_EPOCH=1"));
    expect(readFileSync(join(project.runFolder("from"), "train.log"), "utf8")).toContain("weights   resnet. taken off");
    const first = (run: string) => JSON.parse(readFileSync(join(project.runFolder(run), "steps.jsonl"), "utf8").split("\n")[0] ?? "");
    expect(first("from")).not.toEqual(first("good"));
    const other = await project.train("other", "MODEL.PRETRAINED=w.pth", "MODEL.EXTRA.NUM_LAYERS=18", "TRAIN.END_EPOCH=1");
    expect(other.code).toBe(1);
    expect(other.errors).toContain("the tensors do not fit the network");
    expect(other.errors).toContain("use weights of the configured backbone");
  });

  test("a wrong word is one clear error", async () => {
    const cases: [string[], string][] = [
      [["convert", "w.pth"], "expected two files, received 1"],
      [["convert", "w.pth", "w.onnx"], "must end in .pth"],
      [["convert", "w.pth", "x.pth", "--model", "pose_resnett"], "--model expects one of"],
      [["convert", "w.pth", "x.pth", "--model", "pose_hourglass"], "holds PoseResNet-8, width 8, 17 joints, not a pose_hourglass"],
      [["convert", "w.pth", "x.pth", "--allow-partial"], "needs --model"],
      [["convert", "w.pth", "x.pth", "--network", "2"], "has no network 2: it holds 1"],
      [["convert", "w.pth", "x.pth", "--model", "pose_resnet", "--network", "b"], 'received "b"'],
      [["inspect"], "expected one file, received 0"],
      [["inspect", "none.pth"], "does not exist"],
      [["predict", "--model-file", "none.pth", "--image", project.image(), "--out", "o", "--cfg", "tiny.yaml"], "does not exist"],
    ];
    for (const [args, text] of cases) {
      const { code, errors } = await project.run(args);
      expect(code).toBe(1);
      expect(errors).toContain(text);
      expect(errors).not.toMatch(/^ +at /m);
    }
  });
});
