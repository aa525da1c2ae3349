import { describe, expect, it } from "vitest";
import { aCall, aJob, aRunStep, aWorkflow } from "../plan/plan-fixture.ts";
import type { PlannedJob, PlannedWorkflow } from "../plan/plan.ts";
import type { Conclusion, RunEvent, RunEventBody } from "../store/run-event.ts";
import { foldRecord } from "../store/run-record.ts";
import { failedJobs } from "./failed-jobs.ts";
import { at } from "./fake-hearth.ts";

function planned(id: string, needs: readonly string[] = []): PlannedJob {
  const steps = [aRunStep(1)];
  return {
    job: aJob(id, { needs, steps }),
    cells: [{ values: {}, label: "" }],
    steps: steps.map((step) => ({ step, way: { kind: "run" } })),
    called: undefined,
  };
}

function aPlanned(...jobs: readonly PlannedJob[]): PlannedWorkflow {
  return {
    workflow: aWorkflow({ jobs: jobs.map(({ job }) => job) }),
    inputs: {},
    jobs,
    declaredSteps: 0,
    heldSteps: 0,
  };
}

/** `end` undefined: it was planned and never ended. */
function job(
  key: string,
  end: Conclusion | undefined,
  more: { id?: string; caller?: string; steps?: number; outputs?: Record<string, string> } = {},
): RunEventBody[] {
  const steps = Array.from({ length: more.steps ?? 1 }, (_, index) => ({ number: index + 1, name: "x", way: "run" }));
  const caller = more.caller === undefined ? {} : { caller: more.caller };
  return [
    { type: "job_planned", job: key, id: more.id ?? key, name: key, steps, ...caller },
    ...(end === undefined
      ? []
      : [
          {
            type: "job_completed" as const,
            job: key,
            conclusion: end,
            reason: undefined,
            outputs: more.outputs ?? {},
            durationMs: 1,
          },
        ]),
  ];
}

function found(plan: PlannedWorkflow, ...bodies: RunEventBody[][]) {
  const events: RunEvent[] = bodies.flat().map((body) => ({ at, ...body }));
  const { succeeded, again, differences } = failedJobs(plan, foldRecord(events));
  return { succeeded: [...succeeded.keys()], again, differences };
}

const chain = aPlanned(
  planned("lint"),
  planned("build"),
  planned("test", ["build"]),
  planned("deploy", ["test", "lint"]),
);

describe("failedJobs", () => {
  it("takes the jobs that ended well with their outputs, and leaves what failed and what needs it", () => {
    const events: RunEvent[] = [
      job("lint", "success"),
      job("build", "success", { outputs: { v: "1" } }),
      job("test", "failure"),
      job("deploy", "skipped"),
    ]
      .flat()
      .map((body) => ({ at, ...body }));
    const { succeeded, again } = failedJobs(chain, foldRecord(events));
    expect([...succeeded]).toEqual([
      ["lint", { outputs: {} }],
      ["build", { outputs: { v: "1" } }],
    ]);
    expect(again).toEqual(["test", "deploy"]);
  });

  it("runs again what succeeded although something it needs did not", () => {
    expect(
      found(chain, job("lint", "success"), job("build", "failure"), job("test", "success"), job("deploy", "success")),
    ).toMatchObject({
      succeeded: ["lint"],
      again: ["build", "test", "deploy"],
    });
  });

  it("runs again what never ended, as after a lost machine", () => {
    expect(
      found(chain, job("lint", "success"), job("build", undefined), job("test", "cancelled"), job("deploy", undefined)),
    ).toMatchObject({
      succeeded: ["lint"],
      again: ["build", "test", "deploy"],
    });
  });

  it("finds nothing to do where everything ended well or was skipped by its own condition", () => {
    expect(
      found(chain, job("lint", "success"), job("build", "success"), job("test", "skipped"), job("deploy", "success")),
    ).toEqual({
      succeeded: ["lint", "build", "deploy"],
      again: [],
      differences: [],
    });
  });

  it("takes the good cells of a matrix and leaves the bad, and what needs the job needs them all", () => {
    const plan = aPlanned(planned("test"), planned("report", ["test"]));
    const cells = [
      job("test (1)", "success", { id: "test" }),
      job("test (2)", "failure", { id: "test" }),
      job("report", "success"),
    ];
    expect(found(plan, ...cells)).toMatchObject({ succeeded: ["test (1)"], again: ["test", "report"] });
  });

  it("says of a job that the run did not have, or that had other steps, and runs it again with what needs it", () => {
    const result = found(
      chain,
      job("build", "success", { steps: 2 }),
      job("test", "success"),
      job("deploy", "success"),
    );
    expect(result).toEqual({
      succeeded: [],
      again: ["lint", "build", "test", "deploy"],
      differences: ["lint was not in that run", "build has other steps than in that run"],
    });
  });

  it("leaves out what was not in that run and nothing of it needs: nobody asked for it then", () => {
    const result = found(chain, job("build", "success"), job("test", "failure"));
    expect(result).toEqual({
      succeeded: ["build"],
      again: ["test"],
      differences: ["lint was not in that run, and is left out", "deploy was not in that run, and is left out"],
    });
  });

  it("goes into a called workflow of which something failed, unless what its call needs runs again", () => {
    const call: PlannedJob = {
      job: aCall("call", { needs: ["build"] }),
      cells: [{ values: {}, label: "" }],
      steps: [],
      called: {
        kind: "called",
        plan: aPlanned(planned("a"), planned("b", ["a"])),
        origin: { repository: "o/r", path: "x.yml", ref: "", sha: "" },
      },
    };
    const plan = aPlanned(planned("build"), call);
    const inner = [
      job("call", "failure", { steps: 0 }),
      job("call / a", "success", { id: "a", caller: "call" }),
      job("call / b", "failure", { id: "b", caller: "call" }),
    ];
    expect(found(plan, job("build", "success"), ...inner)).toMatchObject({
      succeeded: ["build", "call / a"],
      again: ["call"],
    });
    expect(found(plan, job("build", "failure"), ...inner)).toMatchObject({ succeeded: [], again: ["build", "call"] });
  });
});
