import { expect, test } from "bun:test";
import { configKeys } from "../../src/config/keys.ts";
import { refusal } from "../support/parsed_config.ts";

test("every key has a description and a type", () => {
  const keys = configKeys();
  expect(keys.length).toBeGreaterThan(50);
  for (const key of keys) {
    expect(key.description.length).toBeGreaterThan(5);
    expect(key.type).not.toBe("");
  }
});

/** Keys whose values are numbers, one or several, with what is written around one that is wrong. */
const numbers = configKeys().flatMap(({ name, fallback }) => {
  if (/^-?[\d.]/.test(fallback)) return [{ name, around: (value: string) => value }];
  if (name.endsWith("HEATMAP_SIZE")) return [{ name, around: (value: string) => `[1,${value}]` }];
  const list = name.includes("NUM_DECONV_") || /^\[[\d. ,]+\]$/.test(fallback);
  return list ? [{ name, around: (value: string) => `[${[...fallback.slice(1, -1).split(",").slice(1), value].join(",")}]` }] : [];
});

test("the numbers of all keys are bounded, and a mistake names the key, what it accepts and what was found", () => {
  expect(numbers.length).toBeGreaterThan(60);
  for (const { name, around } of numbers) {
    for (const value of ["1000000000000", "-10000000", "Infinity"]) {
      const text = refusal("", [`${name}=${around(value === "Infinity" ? ".inf" : value)}`]);
      expect(text).toMatch(new RegExp(`^from command line: ${name}[.0-9]*: expected .*\\d.*, received ${value}(: .*)?\n  fix: `));
    }
  }
});
