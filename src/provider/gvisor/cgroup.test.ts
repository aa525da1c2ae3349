import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCommand } from "../../lib/run-command.ts";
import { canLimit, createCgroup } from "./cgroup.ts";

/** A directory with the files that cgroup2 would show: these tests are about what is read and written, not about the kernel. */
let mount = "";
beforeEach(async () => {
  mount = await mkdtemp(join(tmpdir(), "hearth-test-cgroup-"));
});
afterEach(async () => rm(mount, { recursive: true }));

async function files(contents: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(contents)) await writeFile(join(mount, name), content);
}

describe("canLimit", () => {
  it.each([
    [
      "the real root",
      { "cgroup.controllers": "cpuset cpu io memory pids\n", "cgroup.subtree_control": "memory\n" },
      true,
    ],
    [
      "a cgroup that hands them down",
      {
        "cgroup.controllers": "cpu memory pids\n",
        "cgroup.subtree_control": "cpu memory pids\n",
        "cgroup.type": "domain",
      },
      true,
    ],
    [
      "a container's cgroup with processes in it",
      { "cgroup.controllers": "cpu memory pids\n", "cgroup.subtree_control": "\n", "cgroup.type": "domain" },
      false,
    ],
    ["a host whose controllers are in v1", { "cgroup.controllers": "\n", "cgroup.subtree_control": "\n" }, false],
    ["no cgroup2", {}, false],
  ])("on %s", async (_, contents, expected) => {
    await files(contents);
    expect(await canLimit(mount)).toBe(expected);
  });
});

describe("createCgroup", () => {
  it("limits memory, processor time and processes, and starts the program inside", async () => {
    await files({ "cgroup.subtree_control": "" });
    const { prefix } = await createCgroup(mount, "m1", { cpus: 2, memoryMib: 1024 });
    const read = async (name: string) => readFile(join(mount, "hearth/m1", name), "utf8");
    expect(await read("memory.max")).toBe(String((1024 + 256) * 1024 * 1024));
    expect(await read("cpu.max")).toBe("200000 100000");
    expect(await read("pids.max")).toBe("16384");
    const { stdout } = await runCommand([...prefix, "sh", "-c", 'echo "$$ $1"', "sh", "a b"]);
    expect(stdout).toBe(`${(await read("cgroup.procs")).trim()} a b\n`);
  });
});
