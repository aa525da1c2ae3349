import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { run } from "./fake-command-line.ts";

const { stdout: script } = await run(["completion", "bash"]);

/** What bash offers after these words; the last is the one being typed. */
function offered(...words: string[]): string[] {
  const ask = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hearth; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const bash = spawnSync("bash", ["-c", ask, "bash", "hearth", ...words], { encoding: "utf8" });
  expect(bash.stderr).toBe("");
  return bash.stdout.trim().split("\n");
}

describe("completion in bash", () => {
  it("offers commands, subcommands, options and their choices", () => {
    expect(offered("ru")).toEqual(["run", "runs"]);
    expect(offered("image", "")).toEqual(expect.arrayContaining(["build", "list", "rm"]));
    expect(offered("run", "--ma")).toEqual(["--matrix", "--machine-per"]);
    expect(offered("run", "--machine-per", "")).toEqual(["workflow", "job"]);
    expect(offered("completion", "")).toEqual(expect.arrayContaining(["bash", "zsh", "fish"]));
  });

  it("offers files where a file is meant and nothing where only the person knows", () => {
    expect(offered("run", "--event-file", "/etc/host")).toContain("/etc/hostname");
    expect(offered("run", "/etc/host")).toContain("/etc/hostname");
    expect(offered("logs", "--job", "")).toEqual([""]);
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
