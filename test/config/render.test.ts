import { expect, test } from "bun:test";
import { renderConfig } from "../../src/config/render.ts";
import { parse } from "../support/parsed_config.ts";

const loaded = parse(
  "MODEL:\n  NAME: pose_cons\nDATASET:\n  TRAIN_DATASET: mix_coco_coco\n  SYNTHETIC: {PERSONS: 2}\n",
  ["OUTPUT_DIR=yes", "DATASET.ROOT=a: #b", "TRAIN.LR=1e-7"],
);

test("rendered as YAML it says where every value came from and loads again", () => {
  const text = renderConfig(loaded);
  expect(text).toMatch(/NAME: pose_cons +# a\.yaml:2\n/);
  expect(text).toMatch(/OUTPUT_DIR: "yes" +# command line\n/);
  expect(text).toMatch(/SEED: 1314 +# default\n/);
  expect(parse(text).config).toEqual(loaded.config);
});
