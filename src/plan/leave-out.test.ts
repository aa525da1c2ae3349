import { describe, expect, it } from "vitest";
import type { Value } from "../expression/template.ts";
import type { Job, StepsJob } from "../workflow/workflow.ts";
import { countLeftOut, leaveOutUnsupported } from "./leave-out.ts";
import { aCall, aJob, anEvent, aTrigger, aUsesStep, aWorkflow, noCalls, template } from "./plan-fixture.ts";
import { planWorkflow } from "./plan-workflow.ts";
import type { PlannedWorkflow, PlanResult } from "./plan.ts";
import { defaultRunners } from "./runner-map.ts";
import type { CalledWorkflows } from "./called-workflow.ts";

const known = { runners: defaultRunners, vars: {} };

function leftOut(jobs: readonly Job[], called: CalledWorkflows = noCalls): Extract<PlanResult, { kind: "planned" }> {
  const planned = planWorkflow(aWorkflow({ jobs }), {
    ...known,
    event: anEvent(),
    inputs: {},
    chooseWay: (step) =>
      step.kind === "uses" ? { kind: "unsupported", what: "the action", fix: "write it" } : { kind: "run" },
    called,
    select: { job: undefined, matrix: [] },
    warnings: [],
  });
  const result = leaveOutUnsupported(planned, known);
  if (result.kind !== "planned") throw new Error("the workflow of this test is not planned");
  return result;
}

function job(id: string, members: Partial<StepsJob>, matrix?: Value): Job {
  const strategy =
    matrix === undefined
      ? undefined
      : { template: template({ matrix }), matrix: template(matrix), failFast: undefined, maxParallel: undefined };
  return aJob(id, { ...members, strategy });
}

/** `job` or `job (cell)` of those that are left out. */
function names({ jobs }: PlannedWorkflow): readonly string[] {
  return jobs.flatMap(({ job, cells, called, unsupported }) => {
    if (called?.kind === "called") return names(called.plan).map((name) => `${job.id} / ${name}`);
    if (cells === "dynamic" || unsupported !== undefined) return unsupported === undefined ? [] : [job.id];
    return cells.flatMap((cell) => (cell.unsupported === undefined ? [] : [`${job.id} (${cell.label})`]));
  });
}

describe("leaveOutUnsupported", () => {
  it("marks jobs and cells that cannot run, and nothing else; every step stays in the plan", () => {
    const { plan } = leftOut([
      job("plain", {}),
      job("test", { runsOn: template("${{ matrix.os }}") }, { os: ["ubuntu-latest", "windows-latest", "macos-14"] }),
      job("contained", { container: template("node:24") }),
      job("action", { steps: [aUsesStep(1, "a/b@v1")] }),
    ]);
    expect(names(plan)).toEqual(["test (windows-latest)", "test (macos-14)", "contained ()", "action ()"]);
    expect(countLeftOut(plan)).toBe(4);
    expect(plan.heldSteps).toBe(plan.declaredSteps);
  });

  it("turns what stood in the way into warnings with the same places", () => {
    const { warnings } = leftOut([job("windows", { runsOn: template("windows-latest") })]);
    expect(warnings).toEqual([
      expect.objectContaining({
        kind: "warning",
        at: { line: 1, column: 1 },
        key: "jobs.windows.runs-on",
        message: expect.stringMatching(/^Left out: The runner 'windows-latest' is unsupported/u),
      }),
    ]);
  });

  it("leaves a container out in the cells that have one", () => {
    const matrix = { image: ["", "node:24"] };
    expect(names(leftOut([job("build", { container: template("${{ matrix.image }}") }, matrix)]).plan)).toEqual([
      "build (node:24)",
    ]);
  });

  it("leaves a job out as a whole where its matrix is known only later and it cannot run in any cell", () => {
    const { plan } = leftOut([
      job("first", {}),
      job("later", { runsOn: template("macos-14"), needs: ["first"] }, "${{ fromJSON(needs.first.outputs.m) }}"),
      job(
        "maybe",
        { runsOn: template("${{ matrix.os }}"), needs: ["first"] },
        "${{ fromJSON(needs.first.outputs.m) }}",
      ),
    ]);
    expect(names(plan)).toEqual(["later"]);
  });

  it("leaves out jobs of called workflows, and a call whose file cannot be had", () => {
    const inner = aWorkflow({
      path: ".github/workflows/inner.yml",
      triggers: [aTrigger({ event: "workflow_call" })],
      jobs: [job("good", {}), job("bad", { runsOn: template("windows-latest") })],
    });
    const called: CalledWorkflows = (uses, origin) =>
      uses.includes("inner")
        ? { kind: "found", path: inner.path, read: { kind: "read", workflow: inner, warnings: [] }, origin }
        : { kind: "missing", message: "Cannot find it" };
    const { plan, warnings } = leftOut(
      [aCall("a", { uses: "./inner.yml" }), aCall("b", { uses: "./gone.yml" })],
      called,
    );
    expect(names(plan)).toEqual(["a / bad ()", "b"]);
    expect(countLeftOut(plan)).toBe(2);
    expect(warnings.map(({ file, key }) => `${file} ${key}`)).toEqual([
      ".github/workflows/inner.yml jobs.bad.runs-on",
      ".github/workflows/ci.yml jobs.b.uses",
    ]);
  });
});
