import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCommand } from "../lib/run-command.ts";
import type { CgroupRoot } from "./cgroup-root.ts";
import { createCgroup, listCgroups, sweepCgroups } from "./cgroup.ts";

/** A directory instead of the kernel's: these tests are about what is written and read. The machine suites have the kernel's. */
let mount = "";
beforeEach(async () => {
  mount = await mkdtemp(join(tmpdir(), "hearth-test-cgroup-"));
});
afterEach(async () => rm(mount, { recursive: true }));

const limits = { cpus: 2, memoryMib: 1280, tasks: 500 };
const BYTES = String(1280 * 1024 * 1024);

const v2 = (): CgroupRoot => ({ version: 2, directories: { memory: mount, pids: mount, cpu: mount } });
const v1 = async (): Promise<CgroupRoot> => {
  const directories = { memory: join(mount, "memory"), pids: join(mount, "pids"), cpu: join(mount, "cpu") };
  for (const directory of Object.values(directories)) await mkdir(directory);
  return { version: 1, directories };
};

/** The directory of the only cgroup below `parent`. */
async function onlyChild(parent: string): Promise<string> {
  const entries = await readdir(join(parent, "hearth"), { withFileTypes: true });
  const [only] = entries.filter((entry) => entry.isDirectory());
  return join(parent, "hearth", only?.name ?? "");
}

async function readIn(controller: string, name: string): Promise<string> {
  return readFile(join(await onlyChild(join(mount, controller)), name), "utf8");
}

describe("createCgroup", () => {
  it("limits memory, processor time and tasks in v2, and starts the program inside", async () => {
    const { prefix } = await createCgroup(v2(), "m1", limits);
    const directory = await onlyChild(mount);
    const read = async (name: string) => readFile(join(directory, name), "utf8");
    expect(await read("memory.max")).toBe(BYTES);
    expect(await read("cpu.max")).toBe("200000 100000");
    expect(await read("pids.max")).toBe("500");
    expect(await readFile(join(mount, "cgroup.subtree_control"), "utf8")).toBe("+memory +pids +cpu");
    const { stdout } = await runCommand([...prefix, "sh", "-c", 'echo "$$ $1"', "sh", "a b"]);
    expect(stdout).toBe(`${(await read("cgroup.procs")).trim()} a b\n`);
  });

  it("limits each in its own hierarchy in v1, and the program enters them all", async () => {
    const root = await v1();
    const { prefix } = await createCgroup(root, "m1", limits);
    expect(await readIn("memory", "memory.limit_in_bytes")).toBe(BYTES);
    expect(await readIn("cpu", "cpu.cfs_quota_us")).toBe("200000");
    expect(await readIn("pids", "pids.max")).toBe("500");
    const { stdout } = await runCommand([...prefix, "sh", "-c", "echo $$"]);
    for (const controller of ["memory", "cpu", "pids"]) expect(await readIn(controller, "cgroup.procs")).toBe(stdout);
  });

  it("does not start the program when it cannot enter", async () => {
    const { prefix } = await createCgroup(v2(), "m1", limits);
    await rm(await onlyChild(mount), { recursive: true });
    expect(await runCommand([...prefix, "echo", "started"])).toMatchObject({ code: 125, stdout: "" });
  });

  it.each([
    ["v2", async () => v2(), "memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 1\n"],
    ["v1", v1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"],
  ])("reads back in %s what the limits did", async (_, rootOf, file, content) => {
    const root = await rootOf();
    const cgroup = await createCgroup(root, "m1", limits);
    expect(await cgroup.events()).toEqual({ oomKills: 0, refusedTasks: 0, isMemoryFull: false });
    await writeFile(join(await onlyChild(root.directories.memory ?? ""), file), content);
    await writeFile(join(await onlyChild(root.directories.pids ?? ""), "pids.events"), "max 7\n");
    expect(await cgroup.events()).toEqual({ oomKills: 2, refusedTasks: 7, isMemoryFull: false });
  });

  it.each([
    ["v2", async () => v2(), "memory.current", ""],
    ["v1", v1, "memory.usage_in_bytes", "total_"],
  ])("takes memory in %s for full when it holds no files that could be dropped", async (_, rootOf, file, prefix) => {
    const root = await rootOf();
    const cgroup = await createCgroup(root, "m1", limits);
    const directory = await onlyChild(root.directories.memory ?? "");
    const [used, most] = [1275 * 1024 * 1024, 1000 * 1024 * 1024];
    await writeFile(join(directory, file), `${used}\n`);
    await writeFile(join(directory, "memory.stat"), `${prefix}inactive_file ${most}\n${prefix}active_file 4096\n`);
    expect((await cgroup.events()).isMemoryFull).toBe(false);
    await writeFile(join(directory, "memory.stat"), `${prefix}inactive_file 4096\n${prefix}active_file 0\n`);
    expect((await cgroup.events()).isMemoryFull).toBe(true);
  });

  it("leaves nothing in the other hierarchies when one cannot be made", async () => {
    const root = await v1();
    await writeFile(join(mount, "cpu/hearth"), "in the way");
    await expect(createCgroup(root, "m1", limits)).rejects.toMatchObject({ code: "MACHINE_START_FAILED" });
    expect(await readdir(join(mount, "memory/hearth"))).toEqual([]);
  });
});

describe("left-over cgroups", () => {
  it("are told from those in use, and only they are removed", async () => {
    await createCgroup(v2(), "ours", limits);
    // No process has this number: the kernel's highest is 2^22.
    await mkdir(join(mount, "hearth/gone.5000000.1"));
    await mkdir(join(mount, "hearth/somebody-elses"));
    expect(await listCgroups(v2())).toEqual(
      expect.arrayContaining([
        { id: "ours", isOwned: true },
        { id: "gone", isOwned: false },
      ]),
    );
    await sweepCgroups(v2());
    expect(await listCgroups(v2())).toEqual([{ id: "ours", isOwned: true }]);
    expect(await readdir(join(mount, "hearth"))).toContain("somebody-elses");
  });

  it("are none where none were ever made", async () => {
    expect(await listCgroups(v2())).toEqual([]);
    await sweepCgroups(v2());
  });
});
