/** What a machine says of itself after a step has failed, and what the record makes of it. */
import { describe, expect, it } from "vitest";
import { fakeProvider } from "../../src/provider/fake/provider.ts";
import type { FakeKnobs } from "../../src/provider/fake/provider.ts";
import type { Fate } from "../../src/store/run-event.ts";
import { runYaml } from "../run-yaml.ts";

const WORKFLOW = `
on: push
jobs:
  job:
    runs-on: ubuntu-latest
    steps:
      - run: one
      - run: two
        if: always()
`;

const failing = () => ({ code: 1 });

async function fates(knobs: FakeKnobs): Promise<{ fates: readonly Fate[]; annotations: readonly string[] }> {
  const { events, annotations } = await runYaml(WORKFLOW, { provider: fakeProvider({ script: failing, ...knobs }) });
  const found = events.flatMap((event) =>
    event.type === "step_completed" && event.phase === "main" ? [event.fate] : [],
  );
  return { fates: found, annotations };
}

const PLAIN = {
  kind: "ran",
  outcome: "failure",
  conclusion: "failure",
  exitCode: 1,
  message: "Process completed with exit code 1.",
};

describe("a failed step", () => {
  it("is out of memory when the guest's kernel has killed since, and only that step is", async () => {
    // Asked before the first step, after the first, after the second: 3 were killed before the job, 2 during its first step.
    const told = [3, 5, 5];
    const run = await fates({ vitals: (nth) => ({ oomKills: told[nth - 1] ?? 0 }) });
    expect(run.fates).toEqual([
      {
        ...PLAIN,
        trouble: "out_of_memory",
        message: expect.stringMatching(/exit code 1\. Out of memory: .* killed 2 processes \(the machine has \d+ MiB/),
      },
      PLAIN,
    ]);
    expect(run.annotations.join("\n")).toContain("Out of memory");
  });

  it("is out of memory when the host has killed for its machine", async () => {
    const run = await fates({ oomKills: (nth) => nth - 1, vitals: () => ({ oomKills: null }) });
    expect(run.fates).toMatchObject([{ trouble: "out_of_memory" }, { trouble: "out_of_memory" }]);
    expect(run.annotations.join("\n")).toContain("killed a process");
  });

  it.each([
    ["space", { freeBytes: 8192 }, /disk is full: 8 KiB are left/],
    ["inodes", { freeInodes: 0 }, /can hold no more files/],
  ])("says that the disk is full when there is no %s", async (_, vitals, message) => {
    const run = await fates({ vitals: () => vitals });
    expect(run.fates[0]).toEqual({ ...PLAIN, trouble: "disk_full", message: expect.stringMatching(message) });
  });

  it.each([
    ["is well", () => ({})],
    ["counts no kills and has no number of inodes", () => ({ oomKills: null, freeInodes: null })],
    [
      "refuses to say",
      () => {
        throw new Error("no such route");
      },
    ],
  ])("stands as it is when the machine %s", async (_, vitals) => {
    const run = await fates({ vitals });
    expect(run.fates).toEqual([PLAIN, PLAIN]);
  });
});

it("is asked for nothing after a step that succeeded", async () => {
  let asked = 0;
  const run = await fates({
    script: () => undefined,
    vitals: () => {
      asked += 1;
      return { freeBytes: 0 };
    },
  });
  expect(run.fates).toMatchObject([{ outcome: "success" }, { outcome: "success" }]);
  // Before the first step.
  expect(asked).toBe(1);
});

it("passes through a composite action to the step that uses it", async () => {
  const action = `runs: { using: composite, steps: [{ run: one, shell: bash }] }\nname: a\ndescription: b\n`;
  const { events } = await runYaml("on: push\njobs: { a: { runs-on: x, steps: [{ uses: o/n@v1 }] } }", {
    provider: fakeProvider({ script: failing, vitals: () => ({ freeInodes: 0 }) }),
    actions: { "o/n@v1": { "action.yml": action } },
  });
  const fate = events.flatMap((event) =>
    event.type === "step_completed" && event.phase === "main" ? [event.fate] : [],
  );
  expect(fate).toMatchObject([{ trouble: "disk_full" }]);
});
