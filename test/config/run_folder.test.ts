import { expect, test } from "bun:test";
import { runFolder } from "../../src/config/run_folder.ts";
import { parse } from "../support/parsed_config.ts";

test("every run has its folder", () => {
  expect(runFolder({ config: parse("").config, path: "configs/quick.start.yaml" })).toBe(
    "output/coco/pose_resnet_50/quick.start",
  );
});

test("the folder has the original's shape: sets, network and its size, file and suffix; also below LOG_DIR", () => {
  const text = "MODEL: {NAME: pose_dual, BACKBONE: hrnet}\nDATASET: {TRAIN_DATASET: mix_mpii_ai, HYBRID_JOINTS_TYPE: half}\nOUTPUT_DIR: out\nEXP_SUB_NAME: b32\n";
  const loaded = { config: parse(text).config, path: "a/w32_256x256.yaml" };
  expect(runFolder(loaded)).toBe("out/mix_mpii_ai_half/pose_dual_32/w32_256x256_b32");
  expect(runFolder(loaded, "log")).toBe("log/mix_mpii_ai_half/pose_dual_32/w32_256x256_b32");
});
