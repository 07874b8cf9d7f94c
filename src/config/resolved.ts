/** The complete configuration: what a file leaves out, and what follows from other values, is filled in. */
import type * as v from "valibot";
import { PARITY_OPTIONS } from "./method_keys.ts";
import { networkGrid } from "./network.ts";
import type { configSchema } from "./schema.ts";

type Frozen<T> = T extends readonly unknown[]
  ? { readonly [K in keyof T]: Frozen<T[K]> }
  : T extends object
    ? { readonly [K in keyof T]: Frozen<T[K]> }
    : T;

/** What the schema makes of a file. */
export type Checked = v.InferOutput<typeof configSchema>;
type CheckedExtra = Checked["MODEL"]["EXTRA"];

/** Values that follow from others where a file leaves them out. */
interface DerivedExtra {
  NUM_DECONV_FILTERS: number[];
  NUM_DECONV_KERNELS: (2 | 3 | 4)[];
  HEATMAP_SIZE: readonly [width: number, height: number];
}

type Options = Checked["OPTIONS"];

/** A complete, checked, frozen configuration; the keys are documented in schema.ts. */
export type ResolvedConfig = Frozen<
  Omit<Checked, "MODEL" | "OPTIONS"> & {
    MODEL: Omit<Checked["MODEL"], "EXTRA"> & { EXTRA: Omit<CheckedExtra, keyof DerivedExtra> & DerivedExtra };
    OPTIONS: { [K in keyof Options]-?: NonNullable<Options[K]> };
  }
>;

/** Fills in what follows from other values. */
export function derive(checked: Checked): ResolvedConfig {
  const { EXTRA, IMAGE_SIZE } = checked.MODEL;
  const layers = EXTRA.NUM_DECONV_LAYERS;
  const { multiple, scale } = networkGrid(checked.MODEL);
  const side = (px: number): number => (px / multiple) * scale;
  const derived: DerivedExtra = {
    NUM_DECONV_FILTERS: EXTRA.NUM_DECONV_FILTERS ?? Array.from({ length: layers }, () => 256),
    NUM_DECONV_KERNELS: EXTRA.NUM_DECONV_KERNELS ?? Array.from({ length: layers }, () => 4 as const),
    HEATMAP_SIZE: EXTRA.HEATMAP_SIZE ?? [side(IMAGE_SIZE[0]), side(IMAGE_SIZE[1])],
  };
  const OPTIONS = { ...PARITY_OPTIONS[checked.PARITY], ...given(checked.OPTIONS) };
  return { ...checked, OPTIONS, MODEL: { ...checked.MODEL, EXTRA: { ...EXTRA, ...derived } } };
}

/** The entries that have a value. */
function given<T extends object>(values: T): { [K in keyof T]-?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [K in keyof T]-?: NonNullable<T[K]> };
}
