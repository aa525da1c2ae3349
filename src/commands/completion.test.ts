import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./fake-command-line.ts";

const { stdout: script } = await run(["completion", "bash"]);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "hearth-completion-"));
  const workflows = join(directory, ".github", "workflows");
  mkdirSync(workflows, { recursive: true });
  writeFileSync(
    join(workflows, "ci.yml"),
    "on: push\njobs:\n  # first\n  build:\n    steps:\n      - run: x\n  test-all: { needs: build }\n  $(touch hacked):\nenv:\n  not_a_job: 1\n",
  );
  writeFileSync(join(workflows, "four.yaml"), "jobs:\n    deep:\n        runs-on: x\n");
  writeFileSync(join(workflows, "$(touch hacked).yml"), "jobs:\n");
  for (const run of ["mwryanh7awd", "mwrybzzzzzz", "$(touch hacked)"]) {
    mkdirSync(join(directory, "state", "runs", run), { recursive: true });
  }
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What bash offers after these words; the last is the one being typed. */
function offered(...words: string[]): string[] {
  const ask = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hearth; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const bash = spawnSync("bash", ["--norc", "-c", ask, "bash", "hearth", ...words], {
    encoding: "utf8",
    cwd: directory,
    env: { PATH: process.env["PATH"], HEARTH_STATE: join(directory, "state") },
  });
  expect(bash.stderr).toBe("");
  return bash.stdout.trim().split("\n");
}

describe("completion in bash", () => {
  it("offers commands, subcommands, options and their choices", () => {
    expect(offered("ru")).toEqual(["run", "runs"]);
    expect(offered("image", "")).toEqual(expect.arrayContaining(["build", "list", "rm"]));
    expect(offered("run", "--ma")).toEqual(["--matrix", "--machine-per", "--matrix-fork"]);
    expect(offered("run", "--machine-per", "")).toEqual(["workflow", "job"]);
    expect(offered("completion", "")).toEqual(expect.arrayContaining(["bash", "zsh", "fish"]));
  });

  it("offers files where a file is meant and nothing where only the person knows", () => {
    expect(offered("run", "--event-file", "/etc/host")).toContain("/etc/hostname");
    expect(offered("run", "/etc/host")).toContain("/etc/hostname");
    expect(offered("logs", "--step", "")).toEqual([""]);
  });

  it("offers runs that are kept, newest first, workflows and their jobs", () => {
    expect(offered("logs", "")).toEqual(expect.arrayContaining(["mwrybzzzzzz", "mwryanh7awd", "--job"]));
    expect(offered("logs", "mwrya")).toEqual(["mwryanh7awd"]);
    expect(offered("run", "--failed", "mwryb")).toEqual(["mwrybzzzzzz"]);
    expect(offered("run", "--job", "")).toEqual(["build", "test-all", "deep"]);
    expect(offered("run", ".github/workflows/c")).toContain(".github/workflows/ci.yml");
    expect(offered("run", "--graph", "sv")).toEqual(["svg"]);
    expect(offered("run", "--graph", ".github/workflows/ci")).toContain(".github/workflows/ci.yml");
    expect(offered("runs", "prune", "--ke")).toEqual(["--keep"]);
  });

  it("never runs what a name in somebody's repository says", () => {
    for (const words of [
      ["logs", ""],
      ["run", ""],
      ["run", "--job", ""],
      ["run", "--failed", "$"],
    ])
      offered(...words);
    expect(existsSync(join(directory, "hacked"))).toBe(false);
  });
});

describe("completion in zsh and fish", () => {
  it.each(["zsh", "fish"])("%s knows every command and the choices of options", async (shell) => {
    const { code, stdout } = await run(["completion", shell]);
    expect(code).toBe(0);
    for (const word of ["run", "plan", "runs", "logs", "image", "build", "list", "rm", "setup", "gvisor", "doctor"]) {
      expect(stdout).toMatch(new RegExp(`\\b${word}\\b`));
    }
    expect(stdout).toContain("gvisor qemu host");
  });

  it("is a usage error for another shell", async () => {
    expect(await run(["completion", "tcsh"])).toMatchObject({ code: 2, stdout: "" });
  });
});
