import { describe, expect, it } from "vitest";
import { run } from "./fake-command-line.ts";
import { at, planned } from "./fake-hearth.ts";
import type { MachineSummary } from "./hearth.ts";

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

describe("hearth run", () => {
  it("tells how many runs are to come, so that no machine is made for nobody", async () => {
    const results = ["a.yml", "b.yml", "c.yml"].map((path) => planned(path));
    const { hearth } = await run(["run"], { results, concurrency: 2 });
    expect(hearth.expectations).toEqual([2, 1, 0, "closed"]);
    const single = await run(["run"], { results: results.slice(0, 1) });
    expect(single.hearth.expectations).toEqual([0, "closed"]);
  });
});
