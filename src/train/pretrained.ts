/** The file that MODEL.PRETRAINED names: where it is looked for, and whether it is what its name says. */
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { DataError } from "../error.ts";

/** torchvision's names of its ImageNet weights; the digits are the beginning of the file's SHA-256. */
const TORCHVISION = /^resnet(18|34|50|101|152)-[0-9a-f]{8}\.pth$/;

/** A hash in a file's name, as torch.hub writes and checks it. */
const NAMED_HASH = /-([0-9a-f]{8,64})\.[a-z.]+$/;

/** Where PyTorch keeps what it has downloaded. */
function hubFolder(): string {
  const home = process.env["TORCH_HOME"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "torch");
  return join(home, "hub", "checkpoints");
}

/**
 * The path of weights to start from: as given, else the file of that name among PyTorch's own downloads. A file that differs from
 * the hash in its name is told about.
 * @throws DataError where it is nowhere; the advice says where torchvision's weights come from.
 */
export async function findPretrained(path: string, say: (line: string) => void): Promise<string> {
  const name = basename(path);
  const places = [path, join(hubFolder(), name)];
  for (const place of places) {
    const file = Bun.file(place);
    if (!(await file.exists())) {
      if (place === path && (await stat(path).catch(() => undefined))?.isDirectory()) throw new DataError({ code: "checkpoint/missing", message: "MODEL.PRETRAINED is a folder, expected a file of weights", fix: "give the file, for example best.json in the folder of a run", where: path });
      continue;
    }
    if (place !== path) say(`weights   ${place}`);
    const expected = NAMED_HASH.exec(name)?.[1];
    if (expected !== undefined) {
      const hasher = new Bun.CryptoHasher("sha256");
      for await (const chunk of file.stream()) hasher.update(chunk);
      const found = hasher.digest("hex").slice(0, expected.length);
      if (found !== expected) say(`weights   ${name} is damaged or was changed: its SHA-256 begins with ${found}`);
    }
    return place;
  }
  throw new DataError({
    code: "checkpoint/missing",
    message: "the file of MODEL.PRETRAINED does not exist",
    fix: TORCHVISION.test(name) ? `torchvision has it at https://download.pytorch.org/models/${name}; it is also found in ${hubFolder()}` : "check the path, or leave MODEL.PRETRAINED empty to start from random weights",
    where: path,
  });
}
