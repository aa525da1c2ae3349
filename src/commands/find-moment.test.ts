import { describe, expect, it } from "vitest";
import type { StoredCheckpoint } from "../checkpoint/checkpoint-store.ts";
import { foldRecord } from "../store/run-record.ts";
import type { RunEvent, RunEventBody } from "../store/run-event.ts";
import { findMoment, nearestCheckpoint } from "./find-moment.ts";

const RUN = "mh3k2aaaaaa";

function record(...bodies: readonly RunEventBody[]) {
  return foldRecord(bodies.map((body): RunEvent => ({ at: "2026-11-22T10:00:00.000Z", ...body })));
}

function job(key: string, ...names: readonly string[]): RunEventBody {
  const steps = names.map((name, index) => ({
    number: index + 1,
    name,
    way: "run",
    ...(name === "Build" ? { id: "b" } : {}),
  }));
  return { type: "job_planned", job: key, id: key, name: key, steps };
}

function failed(key: string, step: string): RunEventBody {
  const fate = { kind: "ran", outcome: "failure", conclusion: "failure", exitCode: 1, message: undefined } as const;
  return { type: "step_completed", job: key, step, phase: "main", name: step, fate, durationMs: 1 };
}

function kept(jobKey: string, step: number): StoredCheckpoint {
  const where = { run: RUN, job: jobKey, step, stepName: "", provider: "fake", at: "", tookMs: 1 };
  return { ...where, machineBytes: 1, addedBytes: 1 };
}

const two = record(
  job("test", "Check out", "Build", "Run tests", "Run more tests"),
  job("deploy", "Check out", "Deploy"),
);

describe("the step that a person means", () => {
  it.each([
    ["2", "test", 2],
    ["B", "test", 2],
    ["run tests", "test", 3],
    ["more", "test", 4],
    ["deploy", undefined, 2],
  ])("is found as %s", (step, inJob, number) => {
    expect(findMoment(RUN, two, { step, job: inJob })).toMatchObject({ step: number });
  });

  it("is the first that failed where none is named", () => {
    const with2 = record(job("test", "one", "two", "three"), failed("test", "2"), failed("test", "3"));
    expect(findMoment(RUN, with2, { step: undefined, job: undefined })).toMatchObject({ job: "test", step: 2 });
  });

  it.each([
    [
      { step: "Check out", job: undefined },
      "has more than one step 'Check out'",
      "test 1: Check out; deploy 1: Check out",
    ],
    [{ step: "nothing", job: "deploy" }, "has no step 'nothing' of job deploy", "deploy 2: Deploy"],
    [{ step: undefined, job: undefined }, "No step of run", "Name the step"],
  ])("is asked for again: %j", (wish, message, hint) => {
    const look = () => findMoment(RUN, two, wish);
    expect(look).toThrow(expect.objectContaining({ code: "BAD_USAGE", message: expect.stringContaining(message) }));
    expect(look).toThrow(expect.objectContaining({ hint: expect.stringContaining(hint) }));
  });
});

describe("the checkpoint that lies nearest before it", () => {
  const moment = { run: RUN, job: "test", step: 4, name: "" };

  it("is the last one of its job that is not behind it", () => {
    const all = [kept("test", 1), kept("test", 3), kept("test", 5), kept("deploy", 4)];
    expect(nearestCheckpoint(all, moment).step).toBe(3);
    expect(nearestCheckpoint([...all, kept("test", 4)], moment).step).toBe(4);
  });

  it("is missed by name, with what there is", () => {
    expect(() => nearestCheckpoint([], moment)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("--checkpoint steps") }),
    );
    expect(() => nearestCheckpoint([kept("test", 5)], moment)).toThrow(
      expect.objectContaining({ code: "CHECKPOINT_NOT_FOUND", hint: "There is one before step 5 of test" }),
    );
  });
});
