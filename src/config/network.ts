/** What network a configuration means, and how the sizes of its input and its heatmaps belong together. */
import type { Checked, ResolvedConfig } from "./resolved.ts";

/** What the network is: NAME says it for supervised training, BACKBONE for the methods. */
export function backboneOf({ NAME, BACKBONE }: { readonly NAME: string; readonly BACKBONE: "resnet" | "hrnet" }): "resnet" | "hrnet" | "hourglass" {
  if (NAME === "pose_hrnet") return "hrnet";
  if (NAME === "pose_hourglass") return "hourglass";
  return NAME === "pose_resnet" ? "resnet" : BACKBONE;
}

/** The number behind a network's name: layers of a ResNet, channels of HRNet's finest branch, hourglasses. */
export function modelSize(model: ResolvedConfig["MODEL"]): number {
  const { EXTRA, NET } = model;
  return { hrnet: EXTRA.STAGE2.NUM_CHANNELS[0] as number, hourglass: NET.NSTACKS, resnet: EXTRA.NUM_LAYERS }[backboneOf(model)];
}

/** Both sides of the input are multiples of this; heatmaps have `scale` times the sides of the input divided by it. */
export function networkGrid({ NAME, BACKBONE, EXTRA, NET }: Checked["MODEL"] | ResolvedConfig["MODEL"]): { multiple: number; scale: number } {
  const backbone = backboneOf({ NAME, BACKBONE });
  // HRNet's finest branch has a quarter of the input's sides, its coarsest a thirty-second.
  if (backbone === "hrnet") return { multiple: 32, scale: 8 };
  // An hourglass begins at a quarter of the input's sides and halves them.
  if (backbone === "hourglass") return { multiple: 4 * 2 ** NET.NREDUCTIONS, scale: 2 ** NET.NREDUCTIONS };
  return { multiple: backboneStride(EXTRA.NUM_LAYERS), scale: 2 ** EXTRA.NUM_DECONV_LAYERS };
}

/** Pixels of the input per pixel of the ResNet's last features: the small ResNet-8 has one stage less. */
function backboneStride(numLayers: number): number {
  return numLayers === 8 ? 16 : 32;
}
