/**
 * The embedded driver: SwiftShader with its Vulkan loader, taken from the npm package that ships them, fetched by Bun's
 * own installer on first need (so the user's registry and proxy settings apply), checked by hash, kept in a cache folder.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { GpuError } from "../error.ts";

/** Where the driver comes from; a new version needs a new hash. */
const EMBEDDED_PACKAGE = {
  name: "@sparticuz/chromium",
  version: "153.0.0",
  file: "bin/swiftshader.tar.br",
  sha512: "8396c0e03b47be601e2ce5edecde4c163db6e760ba391025955934fe92e93a579c2a867a8b84c59a5d044b1e2a418b246211434f1c42c9cf86274d9f34024651",
} as const;

const FILES = ["libvulkan.so.1", "libvk_swiftshader.so", "vk_swiftshader_icd.json"] as const;

/** The three files of the embedded driver on disk. */
export interface EmbeddedDriver {
  loader: string;
  manifest: string;
}

/** Folder for what Limber fetches: LIMBER_CACHE, else the user's cache folder. */
function cacheFolder(): string {
  const { LIMBER_CACHE, XDG_CACHE_HOME } = process.env;
  return LIMBER_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "limber");
}

/** Where the embedded driver is or will be. */
export function embeddedFolder(): string {
  return join(cacheFolder(), `swiftshader-${EMBEDDED_PACKAGE.version}`);
}

/** True where the embedded driver needs no fetching. */
export function embeddedPresent(): boolean {
  return FILES.every((file) => existsSync(join(embeddedFolder(), file)));
}

function failure(message: string, cause?: unknown): GpuError {
  return new GpuError(
    {
      code: "gpu/embedded-driver",
      message: `the embedded Vulkan driver ${message}`,
      fix: "connect to an npm registry once, or install mesa-vulkan-drivers 25 or newer (Debian 12: from bookworm-backports) with libvulkan1",
    },
    { cause },
  );
}

/** Refuses an archive that is not the pinned one. */
function verifyArchive(archive: Uint8Array): void {
  const found = createHash("sha512").update(archive).digest("hex");
  if (found !== EMBEDDED_PACKAGE.sha512) {
    throw failure(`does not match its checksum (sha512 ${found.slice(0, 16)}…, expected ${EMBEDDED_PACKAGE.sha512.slice(0, 16)}…)`);
  }
}

async function fetchArchive(folder: string): Promise<Uint8Array> {
  const { name, version, file } = EMBEDDED_PACKAGE;
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "limber-driver", private: true, dependencies: { [name]: version } }));
  const install = Bun.spawn([process.execPath, "install", "--ignore-scripts", "--no-progress", "--silent"], {
    cwd: folder,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { ...process.env, BUN_BE_BUN: "1" },
  });
  const [code, text] = await Promise.all([install.exited, new Response(install.stderr).text()]);
  if (code !== 0) throw failure(`could not be fetched (${name} ${version}): ${text.trim().split("\n").at(-1) ?? `exit code ${code}`}`);
  return new Uint8Array(await readFile(join(folder, "node_modules", name, file)));
}

/**
 * Paths of the embedded driver, fetched and unpacked on first need. Concurrent first runs do the work twice at worst:
 * each unpacks beside and renames. Errors: GpuError where the machine is not Linux x64, offline, or the hash differs.
 */
export async function embeddedDriver(): Promise<EmbeddedDriver> {
  const folder = embeddedFolder();
  const paths: EmbeddedDriver = { loader: join(folder, FILES[0]), manifest: join(folder, FILES[2]) };
  if (embeddedPresent()) return paths;
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw failure(`exists for Linux on x64 only, this is ${process.platform} on ${process.arch}`);
  }
  console.error("limber: no usable Vulkan driver installed; fetching the embedded one (once, about 70 MB)");
  await mkdir(cacheFolder(), { recursive: true }).catch((cause: unknown) => {
    throw failure(`needs the folder ${cacheFolder()}, which cannot be made; set LIMBER_CACHE to a folder that can`, cause);
  });
  const work = await mkdtemp(join(tmpdir(), "limber-driver-"));
  const beside = await mkdtemp(`${folder}.tmp-`);
  const unpacked = join(beside, "driver"); // mkdtemp's own folder is for its owner's eyes alone
  try {
    await mkdir(unpacked);
    const archive = await fetchArchive(work);
    verifyArchive(archive);
    await new Bun.Archive(new Uint8Array(brotliDecompressSync(archive))).extract(unpacked);
    await Promise.all(["libEGL.so", "libGLESv2.so"].map((file) => rm(join(unpacked, file), { force: true })));
    await rename(unpacked, folder).catch((cause: unknown) => {
      if (!embeddedPresent()) throw failure(`cannot be moved to ${folder}`, cause); // else another run was faster
    });
  } finally {
    await Promise.all([work, beside].map((path) => rm(path, { recursive: true, force: true })));
  }
  return paths;
}
