import { expect, test } from "bun:test";
import { configKeys } from "../../src/config/keys.ts";

test("every key has a description and a type", () => {
  const keys = configKeys();
  expect(keys.length).toBeGreaterThan(50);
  for (const key of keys) {
    expect(key.description.length).toBeGreaterThan(5);
    expect(key.type).not.toBe("");
  }
});
