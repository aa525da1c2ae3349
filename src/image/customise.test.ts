import { mkdir, mkdtemp, readFile, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakePrograms } from "../lib/fake-programs.fixture.ts";
import { runCommand } from "../lib/run-command.ts";
import { customiseScript } from "./customise.ts";
import { defaultDefinition } from "./definition.ts";

let tree = "";
const RECORD_CHROOT = 'shift; printf "%s\\n" "$*" >> "$(dirname "$0")/calls"; case "$*" in *fail*) exit 7;; esac';

beforeEach(async () => {
  tree = await mkdtemp(join(tmpdir(), "hearth-test-tree-"));
  for (const name of ["etc/sudoers.d", "etc/apt/apt.conf.d", "usr/local/bin", "var/log"]) {
    await mkdir(join(tree, name), { recursive: true });
  }
});
afterEach(async () => rm(tree, { recursive: true }));

const read = async (path: string) => readFile(join(tree, path), "utf8");

describe("customiseScript", () => {
  it("writes what actions and sudo rely on into the tree", async () => {
    await using programs = await fakePrograms({ chroot: RECORD_CHROOT });
    const result = await runCommand(["sh", "-c", customiseScript(defaultDefinition), "hook", tree]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(await read("etc/environment")).toContain("RUNNER_TOOL_CACHE=/opt/hostedtoolcache\n");
    expect(await read("etc/environment")).toContain("ImageOS=debian12\n");
    expect(await read("etc/gitconfig")).toContain(
      '[url "http://10.77.0.1:9009/"]\n\tinsteadOf = https://github.com/\n',
    );
    expect(await read("etc/hosts")).toContain("hearth");
    expect((await stat(join(tree, "etc/sudoers.d/runner"))).mode & 0o777).toBe(0o440);
    expect(await readlink(join(tree, "usr/local/bin/node"))).toBe("/opt/externals/node24/bin/node");
    expect(await readFile(join(programs.directory, "calls"), "utf8")).toContain("useradd --create-home --uid 1001");
    for (const mountPoint of ["opt/externals", "opt/hearth", "run/hearth"]) {
      expect((await stat(join(tree, mountPoint))).isDirectory()).toBe(true);
    }
  });

  it("runs a definition's lines as they are, and stops at the first that fails", async () => {
    await using programs = await fakePrograms({ chroot: RECORD_CHROOT });
    const lines = [`echo 'a b' "$HOME" > /x`, "fail", "never"];
    const script = customiseScript({ ...defaultDefinition, run: lines });
    expect((await runCommand(["sh", "-c", script, "hook", tree])).code).toBe(7);
    const calls = await readFile(join(programs.directory, "calls"), "utf8");
    expect(calls).toContain(`/bin/bash -e -c ${lines[0]}\n`);
    expect(calls).not.toContain("never");
  });

  it("puts no setting of the host into the image", () => {
    const script = customiseScript(defaultDefinition);
    expect(script).not.toMatch(/proxy\s*=|:\/\/(?!10\.77\.0\.1|github\.com)/i);
  });
});
