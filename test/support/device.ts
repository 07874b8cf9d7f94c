import { afterAll, setDefaultTimeout } from "bun:test";
import { type Gpu, openDevice } from "../../src/gpu/device.ts";

/**
 * The device of a test file, in checked mode, closed after its last test. Allows for a driver that compiles every
 * pipeline anew, which takes longer than the 5 s that a test has by default.
 */
export async function testDevice(): Promise<Gpu> {
  setDefaultTimeout(300_000);
  const gpu = await openDevice({ mode: "checked" });
  afterAll(() => gpu.close());
  return gpu;
}
