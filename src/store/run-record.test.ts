import { assert, array, constantFrom, integer, oneof, property, record, string } from "fast-check";
import { describe, expect, it } from "vitest";
import type { Fate, RunEvent, RunEventBody } from "./run-event.ts";
import { foldRecord } from "./run-record.ts";

const at = "2026-11-22T10:00:00.000Z";
const ran: Fate = { kind: "ran", outcome: "success", conclusion: "success", exitCode: 0, message: undefined };

function events(...bodies: RunEventBody[]): RunEvent[] {
  return bodies.map((body) => ({ at, ...body }));
}

const planned: RunEventBody = {
  type: "job_planned",
  job: "build",
  id: "build",
  name: "Build it",
  steps: [
    { number: 1, name: "Compile", way: "run" },
    { number: 2, name: "Test", way: "run" },
  ],
};

const ended = (step: string, phase: "main" | "post", fate: Fate): RunEventBody => ({
  type: "step_completed",
  job: "build",
  step,
  phase,
  name: step,
  fate,
  durationMs: 1,
});

describe("foldRecord", () => {
  it("shows planned steps as queued before anything of them is said", () => {
    const { jobs } = foldRecord(events(planned));
    expect(jobs).toMatchObject([
      { name: "Build it", state: { status: "queued" }, steps: [{ name: "Compile" }, { name: "Test" }] },
    ]);
  });

  it("knows title and attempt, calls and callers, environments, and what waits for whom", () => {
    const started: RunEventBody = {
      type: "run_started",
      run: "r",
      workflow: { path: "ci.yml", name: "CI" },
      event: { name: "push", sha: "", ref: "" },
      title: "Deploy",
      attempt: 2,
      provider: "fake",
      declaredSteps: 0,
    };
    const call: RunEventBody = { type: "job_planned", job: "c", id: "c", calls: "./x.yml", name: "c", steps: [] };
    const called: RunEventBody = { type: "job_planned", job: "c / a", id: "a", caller: "c", name: "a", steps: [] };
    const waiting = events(started, { type: "waiting", group: "g" }, call, called, {
      type: "waiting",
      job: "c / a",
      group: "h",
    });
    expect(foldRecord(waiting)).toMatchObject({
      title: "Deploy",
      attempt: 2,
      waitingFor: "g",
      jobs: [{ calls: "./x.yml" }, { caller: "c", state: { status: "waiting", group: "h" } }],
    });
    const environment = { name: "production" };
    const over = foldRecord([
      ...waiting,
      ...events(
        { type: "job_started", job: "c / a", machine: "m" },
        {
          type: "job_completed",
          job: "c / a",
          conclusion: "success",
          reason: undefined,
          outputs: {},
          environment,
          durationMs: 1,
        },
      ),
    ]);
    expect(over).toMatchObject({ waitingFor: undefined, jobs: [{}, { environment, state: { status: "completed" } }] });
  });

  it("puts the runner's own steps around the declared ones", () => {
    const record = foldRecord(
      events(
        planned,
        { type: "step_started", job: "build", step: "set-up", phase: "set_up", name: "Set up job" },
        { type: "step_started", job: "build", step: "pre-2", phase: "pre", name: "Pre Test" },
        { type: "step_started", job: "build", step: "1", phase: "main", name: "Compile" },
        { type: "step_started", job: "build", step: "post-2", phase: "post", name: "Post Test" },
      ),
    );
    expect(record.jobs[0]?.steps.map(({ step }) => step)).toEqual(["set-up", "pre-2", "1", "2", "post-2"]);
  });

  it("counts the fates of declared steps only, once each, until the run says its own counts", () => {
    const soFar = events(
      planned,
      ended("1", "main", ran),
      ended("1", "main", ran),
      ended("2", "main", { kind: "not_reached", reason: "the job failed" }),
      ended("post-1", "post", ran),
    );
    expect(foldRecord(soFar).counts).toMatchObject({ ran: 1, notReached: 1, skipped: 0, cancelled: 0 });
    const counts = { declared: 9, ran: 9, skipped: 0, notReached: 0, cancelled: 0 };
    const whole = [
      ...soFar,
      ...events({ type: "run_completed", conclusion: "success", error: undefined, counts, durationMs: 5 }),
    ];
    expect(foldRecord(whole)).toMatchObject({ counts, ending: { conclusion: "success", durationMs: 5 } });
  });

  it("remembers why a machine was lost after it has been destroyed", () => {
    const { machines } = foldRecord(
      events(
        { type: "machine_requested", machine: "m1" },
        { type: "machine_ready", machine: "m1", isolation: "sandbox (gVisor)", bootId: "b", durationMs: 3 },
        { type: "machine_lost", machine: "m1", cause: "killed", reason: "killed", console: "" },
        { type: "machine_destroyed", machine: "m1" },
      ),
    );
    expect(machines).toEqual([
      { machine: "m1", isolation: "sandbox (gVisor)", bootId: "b", status: "destroyed", loss: "killed" },
    ]);
  });

  it("never throws on a prefix of a stream, nor when events stand in an order that no run has", () => {
    const ref = record({
      job: constantFrom("a", "b", "__proto__"),
      step: constantFrom("1", "2", "post-1", "constructor"),
    });
    const body = oneof(
      record({ machine: constantFrom("m", "__proto__") }).map(({ machine }): RunEventBody => ({
        type: "machine_destroyed",
        machine,
      })),
      record({ ref, line: string() }).map(({ ref, line }): RunEventBody => ({ type: "log", ...ref, line })),
      ref.map((ref): RunEventBody => ({ type: "step_started", ...ref, phase: "main", name: "n" })),
      ref.map((ref): RunEventBody => ({
        type: "step_completed",
        ...ref,
        phase: "main",
        name: "n",
        fate: ran,
        durationMs: 1,
      })),
      ref.map(({ job }): RunEventBody => ({ type: "job_started", job, machine: "m" })),
      ref.map(({ job }): RunEventBody => ({ ...planned, job })),
      ref.map(({ job }): RunEventBody => ({
        type: "job_completed",
        job,
        conclusion: "success",
        reason: undefined,
        outputs: {},
        durationMs: 1,
      })),
    );
    assert(
      property(array(body, { maxLength: 40 }), integer({ min: 0, max: 40 }), (bodies, length) => {
        const prefix = foldRecord(events(...bodies.slice(0, length)));
        const whole = foldRecord(events(...bodies));
        // What has been said stays said.
        expect(whole.jobs.length).toBeGreaterThanOrEqual(prefix.jobs.length);
        expect(whole.counts.ran).toBeGreaterThanOrEqual(prefix.counts.ran);
      }),
    );
  });
});
