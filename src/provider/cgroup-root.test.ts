import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeLimits, findCgroupRoot } from "./cgroup-root.ts";

/** A directory with the files that the kernel would show: these tests are about what is read, not about the kernel. */
let mount = "";
beforeEach(async () => {
  mount = await mkdtemp(join(tmpdir(), "hearth-test-cgroup-"));
});
afterEach(async () => rm(mount, { recursive: true }));

async function files(contents: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(contents)) {
    await mkdir(dirname(join(mount, name)), { recursive: true });
    await writeFile(join(mount, name), content);
  }
}

const ROOT = "0::/\n";

describe("findCgroupRoot", () => {
  it.each([
    [
      "the real root of v2",
      {
        "cgroup.controllers": "cpuset cpu io memory pids\n",
        "cgroup.subtree_control": "memory\n",
        "cgroup.procs": "1\n",
      },
      ROOT,
      { directory: "", controllers: ["memory", "pids", "cpu"] },
    ],
    [
      "a container's cgroup that hands controllers down",
      {
        "cgroup.controllers": "cpu memory pids\n",
        "cgroup.subtree_control": "cpu memory pids\n",
        "cgroup.procs": "1\n",
        "cgroup.type": "domain",
      },
      ROOT,
      { directory: "", controllers: ["memory", "pids", "cpu"] },
    ],
    [
      "a container's cgroup with processes in it",
      {
        "cgroup.controllers": "cpu memory pids\n",
        "cgroup.subtree_control": "\n",
        "cgroup.procs": "1\n",
        "cgroup.type": "domain",
      },
      ROOT,
      undefined,
    ],
    [
      "a user's slice that systemd handed over without processor time, from a scope that is full of ourselves",
      {
        "user.slice/app.slice/cgroup.controllers": "memory pids\n",
        "user.slice/app.slice/cgroup.subtree_control": "memory pids\n",
        "user.slice/app.slice/cgroup.procs": "",
        "user.slice/app.slice/cgroup.type": "domain",
        "user.slice/app.slice/run-1.scope/cgroup.controllers": "memory pids\n",
        "user.slice/app.slice/run-1.scope/cgroup.subtree_control": "\n",
        "user.slice/app.slice/run-1.scope/cgroup.procs": "77\n",
        "user.slice/app.slice/run-1.scope/cgroup.type": "domain",
      },
      "0::/user.slice/app.slice/run-1.scope\n",
      { directory: "user.slice/app.slice", controllers: ["memory", "pids"] },
    ],
    ["a host whose controllers are in v1 and not ours", { "cgroup.controllers": "\n" }, ROOT, undefined],
    ["a path outside of the namespace", {}, "0::/../other\n", undefined],
    ["no cgroups", {}, "", undefined],
  ])("on %s", async (_, contents, own, expected) => {
    await files(contents);
    const found = expected?.controllers.map((name) => [name, join(mount, expected.directory)]);
    expect(await findCgroupRoot({ mount, own })).toEqual(
      found === undefined ? undefined : { version: 2, directories: Object.fromEntries(found) },
    );
  });

  it("takes the hierarchies of v1 where v2 has no controllers", async () => {
    await files({
      "unified/cgroup.controllers": "\n",
      "memory/tasks": "",
      "memory/cgroup.procs": "",
      "pids/tasks": "",
      "pids/cgroup.procs": "",
    });
    const root = await findCgroupRoot({ mount, own: ROOT });
    expect(root).toEqual({ version: 1, directories: { memory: join(mount, "memory"), pids: join(mount, "pids") } });
    expect(describeLimits(root)).toBe("limits of memory, pids by cgroup v1");
  });

  it("does not take a v2 cgroup that is called memory for a hierarchy of v1", async () => {
    await files({ "memory/cgroup.procs": "", "pids/cgroup.procs": "" });
    expect(await findCgroupRoot({ mount, own: ROOT })).toBeUndefined();
  });
});
