import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { INIT_SCRIPT } from "./init-script.ts";

/** Busybox's shell reads it in the machine; any POSIX shell knows what is not a shell script. */
const shell = existsSync("/bin/busybox") ? ["/bin/busybox", "sh", "-n"] : ["/bin/sh", "-n"];

function check(script: string): void {
  const [program = "", ...argv] = shell;
  execFileSync(program, argv, { input: script, stdio: ["pipe", "ignore", "ignore"] });
}

describe("the init script", () => {
  it("is one that the shell can read", () => {
    expect(() => check(INIT_SCRIPT)).not.toThrow();
    expect(() => check(INIT_SCRIPT.replace("esac", ""))).toThrow("Command failed");
  });

  it("starts nothing of the new root from the files that are removed when the root is switched", () => {
    expect(INIT_SCRIPT).not.toContain("chroot");
    const background = INIT_SCRIPT.split("\n").filter((line) => / & |&$/.test(line));
    expect(background).toHaveLength(2);
    for (const line of background) expect(line.trim()).toMatch(/^set -- \/bin\/sh -c '.* & exec "\$@"'/);
  });

  it("keeps the shell's own expansions", () => {
    expect(INIT_SCRIPT).toContain('device="/dev/${disk##*/}"');
  });
});
