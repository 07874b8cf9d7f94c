/**
 * Which Vulkan driver Dawn gets to see: hardware, an installed software driver (Mesa's lavapipe), or the embedded
 * SwiftShader. The Vulkan loader reads VK_DRIVER_FILES from the C environment, which Bun's process.env does not reach:
 * hence setenv by FFI. A new Dawn instance follows a change, so drivers are tried one after another in one process.
 */
import { dlopen, ptr } from "bun:ffi";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { GpuError } from "../error.ts";
import { embeddedDriver } from "./embedded_driver.ts";

/** What a user may ask for through ADAPTER. */
const ADAPTER_CHOICES = ["hardware", "lavapipe", "swiftshader"] as const;
export type AdapterChoice = (typeof ADAPTER_CHOICES)[number];

/** A driver that is installed on this machine, as its manifest describes it. */
export interface InstalledDriver {
  manifest: string;
  library: string;
  software: boolean;
}

/** A way of pointing the Vulkan loader somewhere; applying it is cheap, asking Dawn decides whether it works. */
export interface DriverCandidate {
  kind: "system" | "lavapipe" | "swiftshader";
  apply(): Promise<void>;
}

/** Parses ADAPTER; an empty or missing value means automatic. Errors: GpuError that lists the choices. */
export function parseAdapterChoice(value: string | undefined): AdapterChoice | undefined {
  if (value === undefined || value === "") return undefined;
  const choice = ADAPTER_CHOICES.find((known) => known === value);
  if (!choice) {
    throw new GpuError({
      code: "gpu/adapter-choice",
      message: `ADAPTER is "${value}", expected one of ${ADAPTER_CHOICES.join(", ")}`,
      fix: "unset ADAPTER to let Limber choose",
    });
  }
  return choice;
}

/** Where NVIDIA's container tools put the GPU's manifest; the Vulkan loader does not look there by itself. */
const UNSEARCHED_FOLDERS = ["/usr/local/nvidia/share/vulkan/icd.d"] as const;

/** Folders that hold driver manifests on Linux: those that the Vulkan loader searches, and some that it does not. */
function manifestFolders(home = homedir()): string[] {
  return [
    join(home, ".config/vulkan/icd.d"),
    "/etc/vulkan/icd.d",
    "/usr/local/etc/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/usr/share/vulkan/icd.d",
    ...UNSEARCHED_FOLDERS,
    join(home, ".local/share/vulkan/icd.d"),
  ];
}

/** Drivers whose manifests lie in the given folders; unreadable manifests are left out, as the loader does. */
export function installedDrivers(folders: readonly string[] = manifestFolders()): InstalledDriver[] {
  const drivers: InstalledDriver[] = [];
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    for (const file of readdirSync(folder).sort()) {
      if (!file.endsWith(".json")) continue;
      const manifest = join(folder, file);
      try {
        const parsed: unknown = JSON.parse(readFileSync(manifest, "utf8"));
        const icd = typeof parsed === "object" && parsed !== null && "ICD" in parsed ? parsed.ICD : undefined;
        const library = typeof icd === "object" && icd !== null && "library_path" in icd ? String(icd.library_path) : "";
        if (library) drivers.push({ manifest, library, software: /lvp|llvmpipe|swiftshader/i.test(file + library) });
      } catch {
        continue; // not a manifest; the loader skips it too
      }
    }
  }
  return drivers;
}

const libc = dlopen(process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6", {
  setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" },
  unsetenv: { args: ["ptr"], returns: "i32" },
  dup: { args: ["i32"], returns: "i32" },
  dup2: { args: ["i32", "i32"], returns: "i32" },
}).symbols;

/** Sets or, with undefined, removes a variable of the C environment. */
function setNativeEnvironment(name: string, value: string | undefined): void {
  const key = Buffer.from(`${name}\0`);
  if (value === undefined) libc.unsetenv(ptr(key));
  else libc.setenv(ptr(key), ptr(Buffer.from(`${value}\0`)), 1);
}

/**
 * Keeps stderr quiet meanwhile. Dawn and the Vulkan loader write there why they refuse a driver, with places in their
 * sources; whether any driver was found, and what to do, is for our own message to say.
 */
export async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const STDERR = 2;
  const kept = libc.dup(STDERR);
  const nowhere = openSync("/dev/null", "w");
  libc.dup2(nowhere, STDERR);
  closeSync(nowhere);
  try {
    return await work();
  } finally {
    libc.dup2(kept, STDERR);
    closeSync(kept);
  }
}

/** Drivers that the user's own environment names; they are left as they are in automatic mode. */
const ENVIRONMENT_FILES = process.env["VK_DRIVER_FILES"] ?? process.env["VK_ICD_FILENAMES"];

function useManifest(manifest: string | undefined): void {
  setNativeEnvironment("VK_DRIVER_FILES", manifest ?? ENVIRONMENT_FILES);
}

const loaders: { close(): void }[] = [];

/** True where a Vulkan loader can be opened by name (or was opened before by path). */
export function systemLoaderPresent(): boolean {
  try {
    loaders.push(dlopen("libvulkan.so.1", { vkEnumerateInstanceVersion: { args: ["ptr"], returns: "i32" } }));
    return true;
  } catch {
    return false; // no loader on this machine: the embedded one brings its own
  }
}

/** Drivers to try, best first. @param unsearched folders whose drivers the loader would not find, where the environment names none */
export function driverCandidates(choice: AdapterChoice | undefined, unsearched: readonly string[] = UNSEARCHED_FOLDERS): DriverCandidate[] {
  const system: DriverCandidate = { kind: "system", apply: async () => useManifest(undefined) };
  const hidden = (ENVIRONMENT_FILES === undefined ? installedDrivers(unsearched) : [])
    .filter(({ software }) => !software)
    .map(({ manifest }): DriverCandidate => ({ kind: "system", apply: async () => useManifest(manifest) }));
  const lavapipe = installedDrivers().find(({ manifest, library }) => /lvp|lavapipe/i.test(manifest + library));
  const installed: DriverCandidate[] = lavapipe ? [{ kind: "lavapipe", apply: async () => useManifest(lavapipe.manifest) }] : [];
  const swiftshader: DriverCandidate = {
    kind: "swiftshader",
    apply: async () => {
      const { loader, manifest } = await embeddedDriver();
      // By SONAME glibc gives Dawn's later dlopen("libvulkan.so.1") this one, unless the system has its own.
      if (!systemLoaderPresent()) loaders.push(dlopen(loader, { vkEnumerateInstanceVersion: { args: ["ptr"], returns: "i32" } }));
      useManifest(manifest);
    },
  };
  if (choice === "swiftshader") return [swiftshader];
  const loader = systemLoaderPresent();
  if (choice === "lavapipe") {
    if (!loader || !lavapipe) {
      throw new GpuError({
        code: "gpu/no-lavapipe",
        message: `ADAPTER=lavapipe, but ${lavapipe ? "no Vulkan loader (libvulkan.so.1)" : "no lavapipe driver (lvp_icd.json)"} is installed`,
        fix: "install mesa-vulkan-drivers 25 or newer (Debian 12: from bookworm-backports) and libvulkan1, or use ADAPTER=swiftshader",
      });
    }
    return installed;
  }
  if (choice === "hardware") return [...hidden, system];
  return [...(loader ? [...hidden, system, ...installed] : []), swiftshader];
}
