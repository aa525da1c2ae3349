import { describe, expect, it } from "vitest";
import { run } from "./fake-command-line.ts";
import { at, planned } from "./fake-hearth.ts";
import type { MachineSummary, TemplateSummary } from "./hearth.ts";

const machines: readonly MachineSummary[] = [
  {
    machine: "m1-1",
    provider: "gvisor",
    state: "running",
    cpus: 2,
    memoryMib: 4352,
    since: at,
    ownerPid: 41,
    pids: [7, 8],
  },
  {
    machine: "m2\u001b[2J",
    provider: "host",
    state: "left behind",
    cpus: 2,
    memoryMib: 0,
    since: at,
    ownerPid: 42,
    pids: [],
  },
];

describe("hearth machines", () => {
  it("lists them with who owns them, without control characters", async () => {
    const { code, stdout } = await run(["machines", "list"], { machines });
    expect(code).toBe(0);
    const [heading = "", first = "", second = ""] = stdout.split("\n");
    expect(heading.split(/ {2,}/)).toEqual(["MACHINE", "PROVIDER", "STATE", "MEMORY", "AGE", "OWNER", "PROCESSES"]);
    expect(first.split(/ {2,}/).toSpliced(4, 1)).toEqual(["m1-1", "gvisor", "running", "4352 MiB", "41", "2"]);
    expect(second.split(/ {2,}/).toSpliced(4, 1).slice(1)).toEqual(["host", "left behind", "-", "42", "0"]);
    expect(stdout).not.toContain("\u001b");
  });

  it("prints them as one JSON document", async () => {
    const { stdout } = await run(["machines", "list", "--json"], { machines });
    expect(JSON.parse(stdout)).toEqual(machines);
  });

  it("says that there are none, on stderr", async () => {
    expect(await run(["machines", "list"])).toMatchObject({ code: 0, stdout: "" });
    expect(await run(["machines", "reap"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "Nothing was left behind.\n",
    });
  });

  it("says what was reaped, and exits with 5 when something withstood", async () => {
    const reaped = ["m1-1: ended process 7: runsc", "m2-1: cannot unmount /x"];
    const done = await run(["machines", "reap"], { reaped });
    expect(done).toMatchObject({ code: 0, stdout: `${reaped.join("\n")}\n` });
    expect((await run(["machines", "reap"], { reaped, machines })).code).toBe(5);
    const { stdout } = await run(["machines", "reap", "--json"], { reaped, machines });
    expect(JSON.parse(stdout)).toEqual({ done: reaped, left: machines.slice(1) });
  });
});

const templates: readonly TemplateSummary[] = [
  {
    key: "18ffd6cbeb6372d1d7d15e967a9552da",
    provider: "qemu",
    image: "ubuntu-24.04",
    imageDigest: "f9d53f1ee7fadb4acd4a2db8dfc36b18",
    sizeBytes: 200 * 2 ** 20,
    madeAt: at,
    usedAt: at,
    inUse: true,
    impossible: null,
  },
  {
    key: "21fbec30cd3946612a966346811ca3a3",
    provider: "gvisor",
    image: null,
    imageDigest: "0123456789abcdef0123",
    sizeBytes: 16 * 2 ** 20,
    madeAt: at,
    usedAt: at,
    inUse: false,
    impossible: "runsc\u001b[2J says no",
  },
];

/** But for the age. */
const columns = (line: string): string[] => line.split(/ {2,}/).toSpliced(4, 1);

describe("hearth machines templates", () => {
  it("lists them with image, size and last use, without control characters", async () => {
    const { code, stdout } = await run(["machines", "templates"], { templates });
    expect(code).toBe(0);
    const [heading = "", first = "", second = ""] = stdout.split("\n");
    expect(heading.split(/ {2,}/)).toEqual(["TEMPLATE", "PROVIDER", "IMAGE", "SIZE", "AGE", "LAST USED", "STATE"]);
    expect(columns(first)).toEqual(["18ffd6cbeb63", "qemu", "ubuntu-24.04", "200 MiB", "2026-11-22 10:00", "in use"]);
    expect(columns(second).slice(1, 4)).toEqual(["gvisor", "gone (0123456789ab)", "16 MiB"]);
    expect(stdout).not.toContain("\u001b");
    expect(JSON.parse((await run(["machines", "templates", "--json"], { templates })).stdout)).toEqual(templates);
    expect(await run(["machines", "templates"])).toMatchObject({ code: 0, stdout: "" });
  });

  it("prunes what it is told to, and says how much room that gave", async () => {
    const pruned = await run(["machines", "templates", "prune", "--older-than", "1h"], { templates });
    expect(pruned).toMatchObject({ code: 0, stderr: "removed 1 template, 16 MiB; 2 kept\n" });
    expect(pruned.hearth.calls).toContain("prune templates, older than 3600000");
    const all = await run(["machines", "templates", "prune", "--all"], { templates });
    expect(all.hearth.calls).toContain("prune templates, all");
  });
});

describe("hearth run", () => {
  it("tells how many runs are to come, so that no machine is made for nobody", async () => {
    const results = ["a.yml", "b.yml", "c.yml"].map((path) => planned(path));
    const { hearth } = await run(["run"], { results, concurrency: 2 });
    expect(hearth.expectations).toEqual([2, 1, 0, "closed"]);
    const single = await run(["run"], { results: results.slice(0, 1) });
    expect(single.hearth.expectations).toEqual([0, "closed"]);
  });
});
