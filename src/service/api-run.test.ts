import { describe, expect, it } from "vitest";
import type { RunEventBody } from "../store/run-event.ts";
import { createApiRun } from "./api-run.ts";

describe("createApiRun", () => {
  it("shows jobs and steps as the events tell of them, in GitHub's words", () => {
    const run = createApiRun("2026-01-01T00:00:00Z");
    const events: readonly RunEventBody[] = [
      {
        type: "run_started",
        run: "r",
        workflow: { path: "ci.yml", name: "CI" },
        event: { name: "push", sha: "s", ref: "r" },
        title: "Title",
        attempt: 2,
        provider: "host",
        declaredSteps: 2,
      },
      { type: "job_planned", job: "call", id: "call", name: "call", calls: "./x.yml", steps: [] },
      {
        type: "job_planned",
        job: "a",
        id: "a",
        name: "A",
        steps: [
          { number: 1, name: "one", way: "run" },
          { number: 2, name: "two", way: "run" },
        ],
      },
      { type: "job_started", job: "a", machine: "m" },
      { type: "step_started", job: "a", step: "set-up", phase: "set_up", name: "Set up job" },
      {
        type: "step_completed",
        job: "a",
        step: "set-up",
        phase: "set_up",
        name: "Set up job",
        durationMs: 1,
        fate: { kind: "ran", outcome: "success", conclusion: "success", exitCode: 0, message: undefined },
      },
      { type: "step_started", job: "a", step: "1", phase: "main", name: "one" },
      {
        type: "step_completed",
        job: "a",
        step: "2",
        phase: "main",
        name: "two",
        durationMs: 1,
        fate: { kind: "not_reached", reason: "r" },
      },
    ];
    for (const event of events) run.note({ at: "2026-01-01T00:00:01Z", ...event });
    expect(run.view).toMatchObject({ title: "Title", attempt: 2, workflow: { name: "CI" } });
    expect(
      run.view.jobs.map(({ key, progress, steps }) => [
        key,
        progress.status,
        steps.map(({ name, progress }) => [name, progress.status, progress.conclusion]),
      ]),
    ).toEqual([
      [
        "a",
        "in_progress",
        [
          ["Set up job", "completed", "success"],
          ["one", "in_progress", null],
          ["two", "completed", "skipped"],
        ],
      ],
    ]);
    run.note({
      at: "2026-01-01T00:00:09Z",
      type: "job_completed",
      job: "a",
      conclusion: "failure",
      reason: undefined,
      outputs: {},
      durationMs: 8,
    });
    expect(run.view.jobs[0]?.progress).toEqual({
      status: "completed",
      conclusion: "failure",
      startedAt: "2026-01-01T00:00:01Z",
      completedAt: "2026-01-01T00:00:09Z",
    });
  });
});
