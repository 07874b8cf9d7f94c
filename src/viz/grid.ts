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
  /** Tiles are fitted into boxes whose longer side is this, px. */
  side?: number;
  /** Width of the boxes by their height; squares where absent. */
  aspect?: number;
  /** Names of the rows, written to the left of them. */
  rowNames?: readonly string[];
  /** Rows that belong together, told from the next ones by a wider gap; all where absent. */
  groupRows?: number;
  /** Names of the columns, written above them. */
  columnNames?: readonly string[];
  title?: string;
}

const GAP = 8;
const GROUP_GAP = 16;
const CAPTION = 20;
const TITLE_SIZE = 17;
const TITLE_LINE = 22;
const NAME_SIZE = 14;
/** Width of a letter by the size of the font, about; a wide one. */
const LETTER = 0.64;

function text(content: string, { x, y, size, anchor }: { x: number; y: number; size: number; anchor: "end" | "middle" }): string {
  const safe = content.replace(/[<>&"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
  return `<text x="${x}" y="${y}" font-family="${FONT_FAMILY}" font-size="${size}" text-anchor="${anchor}" fill="#222222">${safe}</text>`;
}

/** Words in lines of at most so many letters, but for longer words. */
function wrapped(content: string, letters: number): string[] {
  const lines: string[] = [];
  for (const word of content.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= letters) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** All tiles on a white page, as PNG bytes. */
export async function drawGrid(tiles: readonly Tile[], { columns, side = 220, aspect = 1, rowNames = [], columnNames = [], groupRows = Infinity, title }: GridOptions): Promise<Uint8Array> {
  const sharp = await sharpModule();
  const rows = Math.max(1, Math.ceil(tiles.length / columns));
  const captioned = tiles.some(({ caption }) => caption !== undefined);
  const [boxWidth, boxHeight] = [Math.round(side * Math.min(1, aspect)), Math.round(side / Math.max(1, aspect))];
  const cellHeight = boxHeight + (captioned ? CAPTION : 0) + GAP;
  const left = GAP + Math.ceil(Math.max(0, ...rowNames.map((name) => name.length + 1)) * LETTER * NAME_SIZE);
  const width = left + columns * (boxWidth + GAP);
  const titleLines = title ? wrapped(title, Math.floor((width - 2 * GAP) / (LETTER * TITLE_SIZE))) : [];
  const top = (titleLines.length > 0 ? TITLE_LINE * titleLines.length + 18 : GAP) + (columnNames.length > 0 ? CAPTION : 0);
  const rowTop = (row: number) => top + row * cellHeight + Math.floor(row / groupRows) * GROUP_GAP;
  const height = rowTop(rows - 1) + cellHeight;
  const labels = titleLines.map((line, i) => text(line, { x: width / 2, y: 26 + TITLE_LINE * i, size: TITLE_SIZE, anchor: "middle" }));
  columnNames.forEach((name, i) => labels.push(text(name, { x: left + i * (boxWidth + GAP) + boxWidth / 2, y: top - 7, size: NAME_SIZE, anchor: "middle" })));
  rowNames.forEach((name, i) => labels.push(text(name, { x: left - GAP, y: rowTop(i) + boxHeight / 2 + 5, size: NAME_SIZE, anchor: "end" })));
  const pictures = await Promise.all(
    tiles.map(async ({ image, caption }, i) => {
      const [x, y] = [left + (i % columns) * (boxWidth + GAP), rowTop(Math.floor(i / columns))];
      if (caption) labels.push(text(caption, { x: x + boxWidth / 2, y: y + boxHeight + 15, size: 13, anchor: "middle" }));
      const input = await sharp(image).resize(boxWidth, boxHeight, { fit: "contain", background: "#ffffff" }).png().toBuffer();
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
