/** The session of docs/time-travel.md, repeated: its commands are run in order, and what they print is what stands there. */
import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { leftovers } from "../leftovers.ts";
import { ROOT, sandbox } from "../run-hearth.ts";

interface Command {
  readonly text: string;
  /** `…` stands for any lines. */
  readonly printed: readonly string[];
}

/** A command is a line behind `$ `, with the text that is written into it. */
function commandsOf(document: string): readonly Command[] {
  const [, block = ""] = /```console\n([\s\S]*?)```/.exec(document) ?? [];
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [, heredoc] = /^([^\n]*<<'EOF'\n[\s\S]*?\nEOF)\n/.exec(part) ?? [];
      const text = heredoc ?? part.split("\n")[0] ?? "";
      const printed = part.slice(text.length).split("\n");
      return { text, printed: printed.filter((line) => line !== "") };
    });
}

/** What is another in every run: ids, times, how often chance decided which way. */
function plain(line: string): string {
  return line
    .replaceAll(/\bm[a-z0-9]{10}\b/g, "RUN")
    .replaceAll(/\b\d+\.\d+s\b/g, "TIME")
    .replaceAll(/\btrial \d+ \(/g, "trial N (")
    .replaceAll(/\bin trial \d+:/g, "in trial N:")
    .replaceAll(/failed in (?:[1-9]|1[0-5]) of 16 trials from the same state, .*/g, "failed in SOME of 16 trials");
}

/** Every expected line in its order, and between two without `…` no other. What is wrong is said, with all that was printed. */
function faultIn({ printed }: Command, output: string): string | undefined {
  const lines = output
    .split("\n")
    .filter((line) => line !== "")
    .map(plain);
  let at = 0;
  let maySkip = false;
  for (const line of printed) {
    if (line === "…") maySkip = true;
    else {
      const found = maySkip ? lines.indexOf(plain(line), at) : at;
      if (lines[found] !== plain(line)) return `no line '${line}' where it should be, in:\n${output}`;
      at = found + 1;
      maySkip = false;
    }
  }
  return maySkip || at === lines.length ? undefined : `more than was expected: ${lines.slice(at).join("\n")}`;
}

it("the session in docs/time-travel.md goes as it is written", async () => {
  const commands = commandsOf(await readFile(join(ROOT, "docs/time-travel.md"), "utf8"));
  expect(commands.length).toBeGreaterThan(8);
  await using box = await sandbox();
  const directory = join(box.directory, "project");
  const bin = join(box.directory, "bin");
  await Promise.all([mkdir(directory), mkdir(bin)]);
  await writeFile(join(bin, "hearth"), `#!/bin/sh\nexec '${process.execPath}' '${ROOT}/src/main.ts' "$@"\n`);
  await chmod(join(bin, "hearth"), 0o755);
  const env = { ...process.env, NO_COLOR: "1", HEARTH_STATE: join(box.directory, "state"), TMPDIR: box.temporary };
  for (const command of commands) {
    const { stdout } = await promisify(execFile)("bash", ["-c", `exec 2>&1\n${command.text}\ntrue`], {
      cwd: directory,
      env: { ...env, PATH: `${bin}:${process.env["PATH"] ?? ""}` },
    });
    expect(`${command.text}: ${faultIn(command, stdout) ?? "as written"}`).toBe(`${command.text}: as written`);
  }
  expect(await leftovers(box)).toEqual([]);
});
