/** What this machine offers, a self test, and advice. */
import { cpus, freemem, totalmem } from "node:os";
import { convFlops, convForward } from "../kernels/conv.ts";
import { addInto } from "../kernels/elementwise.ts";
import { errorText } from "../error.ts";
import { type Gpu, openDevice } from "../gpu/device.ts";
import { installedDrivers, systemLoaderPresent } from "../gpu/driver.ts";
import { embeddedFolder, embeddedPresent } from "../gpu/embedded_driver.ts";
import { togglesFor } from "../gpu/native.ts";
import { SUBGROUP_MATRIX } from "../gpu/subgroup_matrix.ts";
import { openMatrixCore } from "../kernels/matrix_gate.ts";

/** Outcome of the self test. */
interface SelfTest {
  right: boolean;
  /** Largest difference from the plain product, relative to the largest value. */
  error: number;
  gflops: number;
  copyGbytes: number;
}

const SIDE = 512;
const COPY_ELEMENTS = 4 * 2 ** 20;

async function selfTest(gpu: Gpu): Promise<SelfTest> {
  const values = (scale: number) => Float32Array.from({ length: SIDE * SIDE }, (_, i) => (((i * 7919) % 13) - 6) * scale);
  const [a, b] = [values(1 / 7), values(1 / 5)];
  const ranges = { x: gpu.upload(a, "a"), w: gpu.upload(b, "b"), y: gpu.persistent(4 * SIDE * SIDE, "c") };
  const shape = { batch: 1, inH: SIDE, inW: 1, inC: SIDE, outH: SIDE, outW: 1, outC: SIDE, kernelH: 1, kernelW: 1, strideH: 1, strideW: 1, padH: 0, padW: 0, dilationH: 1, dilationW: 1 };
  const product = () => convForward(gpu, { ...ranges, shape });
  const best = async (work: () => void) => {
    const recording = gpu.record(work);
    let shortest = Infinity;
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      recording.replay();
      gpu.fenceBlocking();
      shortest = Math.min(shortest, performance.now() - started);
    }
    recording.dispose();
    return shortest;
  };
  const productMs = await best(product);
  const result = await gpu.readFloats(ranges.y);
  let [error, largest] = [0, 0];
  for (let k = 0; k < 64; k++) {
    const [row, column] = [(k * 37) % SIDE, (k * 101) % SIDE];
    let sum = 0;
    for (let i = 0; i < SIDE; i++) sum += (a[row * SIDE + i] as number) * (b[i * SIDE + column] as number);
    error = Math.max(error, Math.abs(sum - (result[row * SIDE + column] as number)));
    largest = Math.max(largest, Math.abs(sum));
  }
  const [from, to] = [gpu.persistent(4 * COPY_ELEMENTS, "from"), gpu.persistent(4 * COPY_ELEMENTS, "to")];
  const copyMs = await best(() => addInto(gpu, { a: from, b: undefined, out: to, count: COPY_ELEMENTS }));
  return {
    right: error / largest < 1e-5,
    error: error / largest,
    gflops: convFlops(shape) / productMs / 1e6,
    copyGbytes: (8 * COPY_ELEMENTS) / copyMs / 1e6,
  };
}

/** Plain sentences about what would make this machine better. */
export function advice(facts: { kind: string; features: ReadonlySet<string>; right: boolean; nvidia: boolean; matrixFault?: string | undefined }): string[] {
  const lines: string[] = [];
  if (!facts.right) lines.push("The self test gave wrong numbers: do not train on this driver; try another with ADAPTER=lavapipe or ADAPTER=swiftshader.");
  if (facts.kind === "swiftshader") lines.push("Install mesa-vulkan-drivers 25 or newer (Debian 12: from bookworm-backports) and libvulkan1: lavapipe is about three times as fast as the embedded driver.");
  if (facts.kind === "lavapipe") lines.push("This is a software driver: fine for tests and small runs; any GPU with a Vulkan driver is faster.");
  if (facts.kind === "hardware" && !facts.features.has("subgroups")) lines.push("The adapter offers no subgroups; the tile core is used for all products.");
  if (facts.kind === "hardware" && !facts.features.has(SUBGROUP_MATRIX)) lines.push("The adapter offers no subgroup matrices (chromium-experimental-subgroup-matrix, 16x16x16 of f16 with sums in f32): PRECISION=mixed computes in f32.");
  if (facts.matrixFault !== undefined) lines.push(facts.matrixFault);
  if (facts.nvidia && !facts.features.has("shader-f16")) lines.push("f16 is not offered: NVIDIA's driver needs to be recent, or the toggle vulkan_enable_f16_on_nvidia was refused.");
  return lines.length > 0 ? lines : ["Nothing to improve."];
}

/** Prints the report, as text or JSON. Returns whether the machine is usable. */
export async function runDoctor({ json }: { json: boolean }): Promise<boolean> {
  const machine = {
    bun: Bun.version,
    system: `${process.platform} ${process.arch}`,
    cpu: `${cpus()[0]?.model.trim() ?? "unknown"} (${cpus().length} threads)`,
    memoryGiB: Number((totalmem() / 2 ** 30).toFixed(1)),
    freeMemoryGiB: Number((freemem() / 2 ** 30).toFixed(1)),
    loader: systemLoaderPresent(),
    drivers: installedDrivers().map(({ manifest, software }) => `${manifest}${software ? " (software)" : ""}`),
    embedded: `${embeddedFolder()} (${embeddedPresent() ? "present" : "not fetched yet"})`,
    choice: process.env["ADAPTER"] ?? "automatic",
  };
  const print = (report: object, text: () => string[]) => console.log(json ? JSON.stringify(report, undefined, 2) : text().join("\n"));
  const row = (name: string, value: string) => `${name.padEnd(16)}${value}`;
  const machineRows = () => [
    row("bun", machine.bun),
    row("system", machine.system),
    row("cpu", machine.cpu),
    row("memory", `${machine.memoryGiB} GiB, ${machine.freeMemoryGiB} free`),
    row("vulkan loader", machine.loader ? "installed" : "none (the embedded driver brings one)"),
    ...(machine.drivers.length > 0 ? machine.drivers : ["none"]).map((driver, i) => row(i === 0 ? "drivers" : "", driver)),
    row("embedded", machine.embedded),
    row("ADAPTER", machine.choice),
  ];
  let gpu: Gpu;
  try {
    gpu = await openDevice();
  } catch (error) {
    const problem = errorText(error);
    print({ ...machine, usable: false, problem }, () => [...machineRows(), "", row("adapter", `none usable: ${problem}`)]);
    return false;
  }
  const test = await selfTest(gpu);
  let matrixFault: string | undefined;
  const matrixCore = await openMatrixCore(gpu, (line) => (matrixFault = line));
  const { info, limits } = gpu;
  const nvidia = /nvidia/i.test(info.vendor + info.description);
  const toggles = togglesFor(gpu.mode);
  const keyLimits = {
    maxBufferSize: limits.maxBufferSize,
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
  };
  const sentences = advice({ kind: info.kind, features: gpu.features, right: test.right, nvidia, matrixFault });
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  print({ ...machine, usable: test.right, adapter: info, features: [...gpu.features], limits: keyLimits, toggles, matrixCore, selfTest: test, advice: sentences }, () => [
    ...machineRows(),
    "",
    row("adapter", `${info.description || info.device} (${info.kind})`),
    row("vendor", `${info.vendor} ${info.architecture}`.trim()),
    row("features", [...gpu.features].join(" ") || "none"),
    row("matrix core", matrixCore ? "right; PRECISION=mixed uses it" : gpu.features.has(SUBGROUP_MATRIX) ? "WRONG, not used" : "no subgroup matrices"),
    row("subgroup", info.subgroupSize ? `${info.subgroupSize} lanes` : "size not fixed"),
    row("buffers", `${mib(keyLimits.maxBufferSize)} each, ${mib(keyLimits.maxStorageBufferBindingSize)} bound at once, ${keyLimits.maxStorageBuffersPerShaderStage} a shader`),
    row("workgroups", `${keyLimits.maxComputeInvocationsPerWorkgroup} invocations, ${keyLimits.maxComputeWorkgroupStorageSize / 1024} KiB shared`),
    row("mode", `${gpu.mode}; on: ${toggles.enabled.join(" ")}; off: ${toggles.disabled.join(" ")}`),
    "",
    row("self test", test.right ? `right (largest error ${test.error.toExponential(1)})` : `WRONG (largest error ${test.error.toExponential(1)})`),
    row("product", `${SIDE}x${SIDE}x${SIDE}: ${test.gflops.toFixed(1)} GFLOP/s`),
    row("copy", `${test.copyGbytes.toFixed(1)} GB/s read and written`),
    "",
    ...sentences.map((sentence, i) => row(i === 0 ? "advice" : "", sentence)),
  ]);
  return test.right;
}
