import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isOlder } from "../../src/cli/install.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "limber-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(args: readonly string[], main = MAIN) {
  const child = Bun.spawn([process.execPath, main, ...args], {
    cwd: folder,
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env },
  });
  const [code, output, errors] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, output, errors };
}

const yaml = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};

describe("a user's mistake is one clean message, exit code 1, and leaves nothing behind:", () => {
  const cases: [string, () => string[], string[]][] = [
    ["unknown command", () => ["tran"], ['unknown command "tran"; did you mean train?']],
    ["unknown flag", () => ["train", "--cgf", "a.yaml"], ["unknown flag --cgf; did you mean --cfg?"]],
    ["no configuration", () => ["train"], ["--cfg FILE is missing", "configs/quickstart.yaml"]],
    [
      "missing configuration",
      () => ["train", "--cfg", "none.yaml"],
      ["none.yaml: the configuration file does not exist"],
    ],
    [
      "unknown key",
      () => ["train", "--cfg", yaml("a.yaml", "TRAIN:\n  LRR: 1\n")],
      ["a.yaml:2:3: TRAIN.LRR: unknown key; did you mean TRAIN.LR?"],
    ],
    [
      "wrong type",
      () => ["train", "--cfg", yaml("b.yaml", "TRAIN:\n  LR: x\n")],
      ['b.yaml:2:7: TRAIN.LR: expected a number, received "x"'],
    ],
    [
      "bad override",
      () => ["valid", "--cfg", yaml("c.yaml", ""), "LR"],
      ['"LR" is not an override, expected KEY=VALUE'],
    ],
    [
      "override of the wrong type",
      () => ["train", "--cfg", yaml("d.yaml", ""), "TRAIN.LR=yes"],
      ["from command line: TRAIN.LR: expected a number"],
    ],
    [
      "bad box",
      () => ["predict", "--model-file=m", "--image=i", "--out=o", "--bbox=1,2"],
      ["--bbox expects x,y,width,height"],
    ],
    ["missing flag", () => ["predict", "--image=i", "--out=o"], ["--model-file FILE is missing"]],
    [
      "heatmaps of another kind",
      () => ["predict", "--model-file=m", "--image=i", "--out=o", "--save-heatmaps=h.png"],
      ["ends in .npy"],
    ],
    ["unknown golden script", () => ["golden", "make_nothing"], ['no script "make_nothing"']],
  ];
  test.each(cases)("%s", async (_, args, expected) => {
    const given = args();
    const before = readdirSync(folder);
    const { code, output, errors } = await run(given);
    for (const part of expected) expect(errors).toContain(part);
    expect(errors).toStartWith("error: ");
    expect(errors).not.toMatch(/^ +at /m);
    expect(errors.trimEnd().split("\n").length).toBeLessThanOrEqual(3);
    expect(output).toBe("");
    expect(code).toBe(1);
    expect(readdirSync(folder)).toEqual(before);
  });
});

describe("help", () => {
  test("every command has one, and needs no device", async () => {
    const overview = await run(["--help"]);
    expect(overview.code).toBe(0);
    const names = ["train", "valid", "predict", "convert", "inspect", "bench", "doctor", "test", "check", "lint", "fmt", "golden"];
    for (const name of names) expect(overview.output).toMatch(new RegExp(`^  ${name} `, "m"));
    for (const help of await Promise.all(names.map((name) => run([name, "--help"])))) {
      expect(help.code).toBe(0);
      expect(help.output).toContain("USAGE bun run ");
      expect(help.errors).toBe("");
    }
  });

  test("train --keys lists the configuration keys with defaults", async () => {
    const { code, output } = await run(["train", "--keys"]);
    expect(code).toBe(0);
    expect(output).toMatch(/^TRAIN\.LR +a number above 0, at most 1000, default 0\.001$/m);
  });
});

describe("without packages", () => {
  /** A checkout that has the entry but whose packages cannot be installed. */
  function bareCheckout(name: string, lock: string | undefined): string {
    const root = join(folder, name);
    mkdirSync(join(root, "src/cli"), { recursive: true });
    for (const file of ["error.ts", "files.ts", "cli/main.ts", "cli/install.ts", "cli/interrupt.ts"]) {
      cpSync(join(MAIN, "../..", file), join(root, "src", file));
    }
    writeFileSync(join(root, "package.json"), '{"name": "x", "dependencies": {"no-such-package": "1.0.0"}}');
    if (lock !== undefined) writeFileSync(join(root, "bun.lock"), lock);
    return join(root, "src/cli/main.ts");
  }

  test("a failed installation is a clean message and is tried again the next time", async () => {
    const main = bareCheckout("broken", "not a lock file");
    const { code, errors } = await run(["train"], main);
    expect(errors).toContain("Installing packages (first run) ...");
    expect(errors).toContain("error: the packages could not be installed:");
    expect(errors).toContain("fix: restore bun.lock");
    expect(errors).not.toMatch(/^ +at /m);
    expect(code).toBe(1);
    expect(existsSync(join(main, "../../../node_modules/.limber-lock"))).toBe(false);
  });

  test("the first run installs and then works as any other: with the packages, arguments, exit code", async () => {
    const main = bareCheckout("first", undefined);
    const root = join(main, "../../..");
    mkdirSync(join(root, "local"));
    writeFileSync(join(root, "local/package.json"), '{"name": "local-package", "version": "1.0.0", "main": "index.js"}');
    writeFileSync(join(root, "local/index.js"), "export const value = 'from the package';");
    writeFileSync(join(root, "package.json"), '{"name": "x", "dependencies": {"local-package": "file:./local"}}');
    writeFileSync(join(root, "src/cli/program.ts"), "import { value } from 'local-package';\nexport async function runProgramLine(args) { console.log(value, args.join()); return 7; }");
    // Makes the lock file; the packages go again.
    expect(Bun.spawnSync([process.execPath, "install", "--lockfile-only"], { cwd: root }).exitCode).toBe(0);
    rmSync(join(root, "node_modules"), { recursive: true, force: true });
    for (const installs of [true, false]) {
      const { code, output, errors } = await run(["a", "b"], main);
      expect(errors).toBe(installs ? "Installing packages (first run) ...\n" : "");
      expect(output).toBe("from the package a,b\n");
      expect(code).toBe(7);
    }
  });

  test("an old Bun is refused", () => {
    expect(["1.4.4", "1.3.9", "0", "0.9.9", "x"].map(isOlder)).toEqual([true, true, true, true, true]);
    expect(["1.4.5", "1.4.10", "1.5.0-canary.1", "2.0"].map(isOlder)).toEqual([false, false, false, false]);
  });

  test("a missing lock file is named", async () => {
    const { code, errors } = await run(["train"], bareCheckout("lockless", undefined));
    expect(errors).toContain("bun.lock: the file is missing");
    expect(code).toBe(1);
  });
});

test("an error that is no user's mistake shows its stack and exits with 70; an interrupt with 130, SIGTERM with 143", async () => {
  const program = (body: string): string => {
    const root = mkdtempSync(join(folder, "fake-"));
    mkdirSync(join(root, "src/cli"), { recursive: true });
    mkdirSync(join(root, "node_modules"));
    for (const file of ["error.ts", "files.ts", "cli/main.ts", "cli/interrupt.ts"])
      cpSync(join(MAIN, "../..", file), join(root, "src", file));
    writeFileSync(join(root, "src/cli/install.ts"), "export function ensurePackages() { return false; }\nexport function runAgain() {}");
    writeFileSync(
      join(root, "src/cli/program.ts"),
      `import { onFirstInterrupt } from "./interrupt.ts";\nexport async function runProgramLine() { ${body} }\nvoid onFirstInterrupt;`,
    );
    return join(root, "src/cli/main.ts");
  };
  const bug = await run([], program("throw new TypeError('oops')"));
  expect(bug.code).toBe(70);
  expect(bug.errors).toContain("TypeError: oops");
  expect(bug.errors).toMatch(/^ +at /m);

  const late = await run(
    [],
    program(
      "setTimeout(() => { throw new TypeError('later') }, 5); await new Promise(() => { setInterval(() => {}, 1000) })",
    ),
  );
  expect(late.code).toBe(70);

  const full = await run([], program("(await import('node:fs')).writeFileSync('/dev/full', 'x')"));
  expect(full.code).toBe(1);
  expect(full.errors).toContain("cannot write: the disk is full (ENOSPC)");

  for (const [signal, code, text] of [["SIGINT", 130, "Interrupted."], ["SIGTERM", 143, "Terminated."]] as const) {
    const once = await run([], program(`process.kill(process.pid, '${signal}'); await Bun.sleep(2000)`));
    expect(once.code).toBe(code);
    expect(once.errors).toContain(text);
  }

  const begin =
    "const s = onFirstInterrupt('Stopping', 'Continue with X'); const kill = () => process.kill(process.pid, 'SIGINT'); kill(); while (!s.aborted) await Bun.sleep(5);";
  // The same key press arrives twice where bun run passes it on.
  const gentle = await run([], program(`${begin} kill(); await Bun.sleep(50); return 130`));
  expect(gentle.code).toBe(130);
  expect(gentle.errors).toBe("\nStopping\n");

  const twice = await run([], program(`${begin} await Bun.sleep(600); kill(); await Bun.sleep(5000)`));
  expect(twice.code).toBe(130);
  expect(twice.errors).toContain("Interrupted. Continue with X");
});
