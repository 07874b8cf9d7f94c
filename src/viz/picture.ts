/** Pictures as bytes of a file. */
import { type DecodedImage, sharpModule } from "../data/image.ts";
import type { Size } from "../pose/types.ts";

async function encoder({ pixels, width, height }: DecodedImage) {
  const sharp = await sharpModule();
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** PNG bytes of an image. */
export async function encodePng(image: DecodedImage): Promise<Uint8Array> {
  return new Uint8Array(await (await encoder(image)).png().toBuffer());
}

/** JPEG bytes of an image, with all of its colours' detail. */
export async function encodeJpeg(image: DecodedImage): Promise<Uint8Array> {
  return new Uint8Array(await (await encoder(image)).jpeg({ quality: 95, chromaSubsampling: "4:4:4" }).toBuffer());
}

/** Bytes [height * width] as grey RGB. */
export function greyImage(bytes: Uint8Array, [width, height]: Size): DecodedImage {
  return { pixels: Uint8Array.from({ length: 3 * bytes.length }, (_, i) => bytes[Math.floor(i / 3)] as number), width, height };
}
