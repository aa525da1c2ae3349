import { describe, expect, it } from "vitest";
import type { StoredCheckpoint } from "../checkpoint/checkpoint-store.ts";
import { run } from "./fake-command-line.ts";
import { at } from "./fake-hearth.ts";

function aCheckpoint(given: Partial<StoredCheckpoint>): StoredCheckpoint {
  return {
    run: "mh3k2aaaaaa",
    job: "build",
    step: 1,
    stepName: "Run make",
    provider: "gvisor",
    at,
    tookMs: 20,
    machineBytes: 200 << 20,
    addedBytes: 5 << 20,
    ...given,
  };
}

const checkpoints = [
  aCheckpoint({ step: 1, machineBytes: 100, addedBytes: 60 << 20 }),
  aCheckpoint({ step: 2, job: "test (22)", stepName: "evil\u001b[2J" }),
  aCheckpoint({ step: 2 }),
  aCheckpoint({ run: "mh3k9bbbbbb", step: 4 }),
];

describe("hearth checkpoints list", () => {
  it("lists them with what they added, and the sum, without the control characters of a step's name", async () => {
    const { code, stdout } = await run(["checkpoints", "list"], { checkpoints });
    expect(code).toBe(0);
    const lines = stdout.split("\n");
    expect(lines.map((line) => line.replaceAll(/ {2,}/g, " | "))).toEqual([
      "RUN | JOB | STEP | AGE | MACHINE | ADDED | BEFORE",
      expect.stringMatching(/^mh3k2aaaaaa \| build \| 1 \| \S.* \| <1 MiB \| 60 MiB \| Run make$/),
      expect.stringMatching(/^mh3k2aaaaaa \| test \(22\) \| 2 \| .* \| evil/),
      expect.stringMatching(/^mh3k2aaaaaa \| build \| 2 /),
      expect.stringMatching(/^mh3k9bbbbbb \| build \| 4 /),
      "4 checkpoints; all that are kept take 75 MiB",
      "",
    ]);
    expect(stdout).not.toContain("\u001b");
  });

  it("lists those of the runs that begin so, and says where there is none", async () => {
    const { stdout } = await run(["checkpoints", "list", "mh3k9"], { checkpoints });
    expect(stdout).toContain("1 checkpoint;");
    const { code, stderr } = await run(["checkpoints", "list", "zz"], { checkpoints });
    expect(code).toBe(2);
    expect(stderr).toContain("No checkpoint is kept of a run that begins with zz");
    expect(await run(["checkpoints", "list"])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "No checkpoints are kept.\n",
    });
  });

  it("prints one JSON document", async () => {
    const { stdout } = await run(["checkpoints", "list", "mh3k9", "--json"], { checkpoints });
    const told = aCheckpoint({ run: "mh3k9bbbbbb", step: 4 });
    expect(JSON.parse(stdout)).toEqual({ checkpoints: [told], diskBytes: 75 << 20 });
  });
});

describe("hearth checkpoints rm", () => {
  it("removes those of a run, of a job, before a step", async () => {
    const ofRun = await run(["checkpoints", "rm", "mh3k2"], { checkpoints });
    expect(ofRun).toMatchObject({ code: 0, stderr: "removed 3 checkpoints, which gave back 70 MiB\n" });
    const ofJob = await run(["checkpoints", "rm", "mh3k2", "--job", "test (22)"], { checkpoints });
    expect(ofJob.hearth.calls).toEqual(["remove checkpoint mh3k2aaaaaa test (22) 2"]);
    const ofStep = await run(["checkpoints", "rm", "mh3k2", "--job", "build", "--step", "2"], { checkpoints });
    expect(ofStep.hearth.calls).toEqual(["remove checkpoint mh3k2aaaaaa build 2"]);
  });

  it("removes all at once", async () => {
    const { hearth, stderr } = await run(["checkpoints", "rm", "--all"], { checkpoints });
    expect(hearth.calls).toEqual(["remove all checkpoints"]);
    expect(stderr).toBe("removed 4 checkpoints, which gave back 75 MiB\n");
  });

  it.each([
    [["mh3k"], "2 runs with checkpoints begin with mh3k: mh3k2aaaaaa, mh3k9bbbbbb"],
    [["zz"], "No checkpoint is kept of a run that begins with zz"],
    [["mh3k9", "--step", "7"], "No such checkpoint is kept of run mh3k9bbbbbb: there is build before step 4"],
    [["mh3k9", "--job", "test"], "there is build before step 4"],
    [[], "Name a run, or --all"],
    [["--job", "build"], "Name a run, or --all"],
    [["mh3k2", "--all"], "--all takes neither a run nor --job nor --step"],
    [["mh3k2", "--step", "0"], "Expected a number from 1"],
  ])("removes none for %j", async (args, said) => {
    const { code, stderr, hearth } = await run(["checkpoints", "rm", ...args], { checkpoints });
    expect(code).toBe(2);
    expect(stderr).toContain(said);
    expect(hearth.calls).toEqual([]);
  });
});
