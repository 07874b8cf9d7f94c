/** Text on machines without fonts: fontconfig is pointed at a font that comes with the packages, before sharp loads. */
import { dlopen, ptr } from "bun:ffi";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const FONT_FAMILY = "DejaVu Sans";

let prepared = false;

/** Idempotent. Only the C environment counts for fontconfig, so the variable is set through libc. */
export function prepareFonts(): void {
  if (prepared) return;
  prepared = true;
  if (process.env["FONTCONFIG_FILE"] || process.platform !== "linux") return;
  const fonts = join(dirname(fileURLToPath(import.meta.resolve("dejavu-fonts-ttf/package.json"))), "ttf");
  // One folder for all processes of a user: fontconfig keeps its cache there.
  const folder = join(tmpdir(), `limber-fonts-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "fonts.conf");
  writeFileSync(
    `${file}.${process.pid}`,
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${fonts}</dir><cachedir>${folder}</cachedir></fontconfig>`,
  );
  renameSync(`${file}.${process.pid}`, file);
  const { symbols } = dlopen("libc.so.6", { setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" } });
  symbols.setenv(ptr(Buffer.from("FONTCONFIG_FILE\0")), ptr(Buffer.from(`${file}\0`)), 1);
}
