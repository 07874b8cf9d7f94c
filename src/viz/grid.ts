/** Tiles with captions in a grid. */
import { sharpModule } from "../data/image.ts";
import { FONT_FAMILY } from "../fonts.ts";

/** A picture (PNG or JPEG bytes) with a caption. */
export interface Tile {
  image: Uint8Array;
  caption?: string;
}

export interface GridOptions {
  columns: number;
  /** Tiles are fitted into squares of this side, px. */
  side?: number;
  title?: string;
}

const GAP = 8;
const CAPTION = 20;
const TITLE = 40;

function text(content: string, { x, y, size, anchor }: { x: number; y: number; size: number; anchor: "start" | "middle" }): string {
  const safe = content.replace(/[<>&"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
  return `<text x="${x}" y="${y}" font-family="${FONT_FAMILY}" font-size="${size}" text-anchor="${anchor}" fill="#222222">${safe}</text>`;
}

/** All tiles on a white page, as PNG bytes. */
export async function drawGrid(tiles: readonly Tile[], { columns, side = 220, title }: GridOptions): Promise<Uint8Array> {
  const sharp = await sharpModule();
  const rows = Math.max(1, Math.ceil(tiles.length / columns));
  const captioned = tiles.some(({ caption }) => caption !== undefined);
  const cellHeight = side + (captioned ? CAPTION : 0) + GAP;
  const top = title ? TITLE : GAP;
  const [width, height] = [columns * (side + GAP) + GAP, rows * cellHeight + top];
  const labels: string[] = title ? [text(title, { x: width / 2, y: 26, size: 17, anchor: "middle" })] : [];
  const pictures = await Promise.all(
    tiles.map(async ({ image, caption }, i) => {
      const [x, y] = [GAP + (i % columns) * (side + GAP), top + Math.floor(i / columns) * cellHeight];
      if (caption) labels.push(text(caption, { x: x + side / 2, y: y + side + 15, size: 13, anchor: "middle" }));
      const input = await sharp(image).resize(side, side, { fit: "contain", background: "#ffffff" }).png().toBuffer();
      return { input, left: x, top: y };
    }),
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${labels.join("")}</svg>`;
  return new Uint8Array(
    await sharp({ create: { width, height, channels: 3, background: "#ffffff" } })
      .composite([...pictures, { input: Buffer.from(svg), left: 0, top: 0 }])
      .png()
      .toBuffer(),
  );
}
