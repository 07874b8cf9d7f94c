/** Text on machines without fonts: fontconfig is pointed at a font that comes with the packages, before sharp loads. */
import { dlopen, ptr } from "bun:ffi";
import { mkdtempSync, writeFileSync } from "node:fs";
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
  const folder = mkdtempSync(join(tmpdir(), "limber-fonts-"));
  const file = join(folder, "fonts.conf");
  writeFileSync(
    file,
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${fonts}</dir><cachedir>${folder}</cachedir></fontconfig>`,
  );
  const { symbols } = dlopen("libc.so.6", { setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" } });
  symbols.setenv(ptr(Buffer.from("FONTCONFIG_FILE\0")), ptr(Buffer.from(`${file}\0`)), 1);
}
