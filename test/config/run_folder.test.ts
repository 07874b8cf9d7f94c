import { expect, test } from "bun:test";
import { runFolder } from "../../src/config/run_folder.ts";
import { parse } from "../support/parsed_config.ts";

test("every run has its folder", () => {
  expect(runFolder({ config: parse("").config, path: "configs/quick.start.yaml" })).toBe(
    "output/coco/pose_resnet_50/quick.start",
  );
});
