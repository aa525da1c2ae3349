import {
  array,
  assert,
  boolean,
  constantFrom,
  dictionary,
  integer,
  nat,
  oneof,
  property,
  record,
  shuffledSubarray,
  tuple,
  uniqueArray,
} from "fast-check";
import { describe, expect, it } from "vitest";
import type { Value } from "../expression/template.ts";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import type { Job, Step, Workflow } from "../workflow/workflow.ts";
import {
  aCall,
  aControlStep,
  aJob,
  anEvent,
  noCalls,
  aRunStep,
  aTrigger,
  aUsesStep,
  aWorkflow,
  template,
} from "./plan-fixture.ts";
import { stepsOf } from "./plan-jobs.ts";
import { planWorkflow } from "./plan-workflow.ts";
import type { PlanRequest } from "./plan-workflow.ts";
import type { Plan } from "./plan.ts";
import { defaultRunners } from "./runner-map.ts";

function request(members: Partial<PlanRequest> = {}): PlanRequest {
  return {
    event: anEvent(),
    inputs: {},
    vars: {},
    chooseWay: () => ({ kind: "run" }),
    called: noCalls,
    runners: defaultRunners,
    select: { job: undefined, matrix: [] },
    warnings: [],
    ...members,
  };
}

function planned(workflow: Workflow, members: Partial<PlanRequest> = {}): Plan {
  const result = planWorkflow(workflow, request(members));
  if (result.kind === "refused") throw new Error(result.diagnostics.map((fault) => formatDiagnostic(fault)).join("\n"));
  return result.plan;
}

/** The diagnostics of a refusal as lines. */
function refusal(workflow: Workflow, members: Partial<PlanRequest> = {}): readonly string[] {
  const result = planWorkflow(workflow, request(members));
  return result.kind === "refused" ? result.diagnostics.map((fault) => formatDiagnostic(fault)) : [];
}

function withMatrix(matrix: Value): Pick<Job, "strategy"> {
  return {
    strategy: { template: template({ matrix }), matrix: template(matrix), failFast: undefined, maxParallel: undefined },
  };
}

function idsOf(plan: Plan): readonly string[] {
  return plan.jobs.map(({ job }) => job.id);
}

function labelsOf(plan: Plan): unknown {
  return plan.jobs.map(({ cells }) => (cells === "dynamic" ? cells : cells.map((cell) => cell.label)));
}

describe("the order of jobs", () => {
  it.each([
    ["as the file has them", [aJob("a"), aJob("b"), aJob("c")], ["a", "b", "c"]],
    ["after their needs", [aJob("a", { needs: ["c"] }), aJob("b"), aJob("c")], ["b", "c", "a"]],
    [
      "in the file's order among those that could come next",
      [aJob("a", { needs: ["d"] }), aJob("b", { needs: ["d"] }), aJob("d"), aJob("c", { needs: ["a"] }), aJob("e")],
      ["d", "a", "b", "c", "e"],
    ],
  ])("is %s", (_, jobs, ids) => {
    expect(idsOf(planned(aWorkflow({ jobs })))).toEqual(ids);
  });

  it("refuses a circle, and a need that is not there, with the jobs it leaves out", () => {
    const jobs = [aJob("ok"), aJob("a", { needs: ["b"] }), aJob("b", { needs: ["a"] }), aJob("c", { needs: ["gone"] })];
    expect(refusal(aWorkflow({ jobs }))).toEqual([expect.stringContaining("not there: a, b, c (jobs.a.needs)")]);
  });

  it("is found quickly in a long chain that stands backwards in the file", () => {
    const count = 5_000;
    const jobs = Array.from({ length: count }, (_, index) => {
      return aJob(`j${index}`, { needs: index + 1 < count ? [`j${index + 1}`] : [] });
    });
    expect(idsOf(planned(aWorkflow({ jobs })))).toEqual(jobs.map((job) => job.id).toReversed());
  });
});

describe("the steps of a plan", () => {
  it("are the declared ones in their order, those of parallel after it, each with its way", () => {
    const inner = [aRunStep(3), aUsesStep(4, "./a")];
    const steps = [aRunStep(1), aControlStep(2, { control: "parallel", steps: inner }), aRunStep(5)];
    const workflow = aWorkflow({ jobs: [aJob("a", { steps }), aCall("b")], declaredSteps: 5 });
    const plan = planned(workflow, {
      chooseWay: (step, job) => ({ kind: "local", path: `${job.id}${step.number}` }),
    });
    expect(plan.jobs[0]?.steps.map(({ step, way }) => [step.number, way])).toEqual(
      [1, 2, 3, 4, 5].map((number) => [number, { kind: "local", path: `a${number}` }]),
    );
    expect(plan.jobs[1]?.steps).toEqual([]);
    expect(plan).toMatchObject({ declaredSteps: 5, heldSteps: 5 });
  });

  it("refuses to plan when the file declares another number, naming both", () => {
    expect(refusal({ ...aWorkflow({ jobs: [aJob("a")] }), declaredSteps: 3 })).toEqual([
      ".github/workflows/ci.yml: error: The file declares 3 steps and the plan holds 1; running it could pass over steps (jobs)",
    ]);
  });
});

describe("the cells of a plan", () => {
  it("is one empty cell without a matrix", () => {
    const cells = planned(aWorkflow({ jobs: [aJob("a"), aCall("b")] })).jobs.map((job) => job.cells);
    expect(JSON.stringify(cells)).toBe('[[{"values":{},"label":""}],[{"values":{},"label":""}]]');
  });

  it("reads github, inputs and vars", () => {
    const matrix = { v: ["${{ github.ref_name }}", "${{ vars.LEVEL }}"], os: '${{ fromJSON(\'["a", "b"]\') }}' };
    const plan = planned(aWorkflow({ jobs: [aJob("a", withMatrix(matrix))] }), { vars: { LEVEL: "high" } });
    expect(labelsOf(plan)).toEqual([["main, a", "main, b", "high, a", "high, b"]]);
  });

  it.each(["${{ fromJSON(needs.a.outputs.m) }}", "${{ fromJSON(NEEDS.a.outputs.m) }}", "${{ github.run_number }}"])(
    "is dynamic where the matrix reads %s",
    (expression) => {
      const jobs = [aJob("a"), aJob("b", { needs: ["a"], ...withMatrix({ v: [expression] }) })];
      expect(labelsOf(planned(aWorkflow({ jobs })))).toEqual([[""], "dynamic"]);
    },
  );

  it("refuses a matrix that cannot be expanded, naming job and place", () => {
    const jobs = [aJob("a", withMatrix({ os: [] })), aJob("b", withMatrix({ v: "${{ fromJSON('x') }}" }))];
    expect(refusal(aWorkflow({ jobs }))).toEqual([
      ".github/workflows/ci.yml:1:1: error: Job 'a': Matrix vector 'os' does not contain any values (jobs.a.strategy.matrix)",
      expect.stringContaining("error: Job 'b': Error parsing fromJson"),
    ]);
    const tooMany = aWorkflow({
      jobs: [aJob("a", withMatrix({ v: Array.from({ length: 257 }, (_, index) => index) }))],
    });
    expect(refusal(tooMany)).toEqual([expect.stringContaining("Job 'a': Matrix would make 257 jobs")]);
  });

  it("leaves a matrix that its job's condition may guard to run time, with a warning", () => {
    const condition = { kind: "expression", expression: "success() && vars.M != ''", source: "vars.M != ''" } as const;
    const job = aJob("a", {
      condition: { ...condition, at: { line: 1, column: 1 } },
      ...withMatrix("${{ fromJSON(vars.M) }}"),
    });
    const result = planWorkflow(aWorkflow({ jobs: [job] }), request());
    expect(result).toMatchObject({ kind: "planned", plan: { jobs: [{ cells: "dynamic" }] } });
    expect(result).toMatchObject({ warnings: [{ kind: "warning", key: "jobs.a.strategy.matrix" }] });
  });

  it("refuses a workflow of more jobs than any machine should hold", () => {
    const matrix = withMatrix({ v: Array.from({ length: 250 }, (_, index) => index) });
    const jobs = Array.from({ length: 41 }, (_, index) => aJob(`j${index}`, matrix));
    expect(refusal(aWorkflow({ jobs }))).toEqual([expect.stringContaining("more than 10000 jobs")]);
  });
});

describe("selecting by --job and --matrix", () => {
  const jobs = [
    aJob("lint"),
    aJob("build", withMatrix({ os: ["linux", "mac"], node: [20, 22] })),
    aJob("Test", { needs: ["build"], steps: [aRunStep(1), aRunStep(2)] }),
    aJob("deploy", { needs: ["Test", "lint"] }),
  ];
  const workflow = aWorkflow({ jobs });

  it("keeps the job and all it needs, near and far, and counts their steps", () => {
    const plan = planned(workflow, { select: { job: "tEST", matrix: [] } });
    expect(idsOf(plan)).toEqual(["build", "Test"]);
    expect(plan).toMatchObject({ declaredSteps: 3, heldSteps: 3 });
  });

  it.each([
    [[{ key: "os", value: "mac" }], ["mac, 20", "mac, 22"]],
    [
      [
        { key: "OS", value: "mac" },
        { key: "node", value: "20" },
      ],
      ["mac, 20"],
    ],
    [
      [
        { key: "node", value: "20" },
        { key: "Node", value: "22" },
        { key: "os", value: "linux" },
      ],
      ["linux, 20", "linux, 22"],
    ],
  ])("keeps the cells with %j, and jobs without such a matrix whole", (matrix, labels) => {
    expect(labelsOf(planned(workflow, { select: { job: undefined, matrix } }))).toEqual([[""], labels, [""], [""]]);
  });

  it.each([
    ["There is no job 'tests'; there are: lint, build, Test, deploy", { job: "tests", matrix: [] }],
    ["No matrix has the key 'arch'; there are: os, node", { job: undefined, matrix: [{ key: "arch", value: "x" }] }],
    ["No matrix has the key 'os'; there are none", { job: "lint", matrix: [{ key: "os", value: "mac" }] }],
    [
      "Job 'build' has no matrix cell with os:windows; there are: (linux, 20) (linux, 22) (mac, 20) (mac, 22)",
      { job: undefined, matrix: [{ key: "os", value: "windows" }] },
    ],
  ])("says: %s", (message, select) => {
    expect(refusal(workflow, { select })).toEqual([`.github/workflows/ci.yml: error: ${message} (jobs)`]);
  });

  it("does not ask a workflow that the event does not start to have the job", () => {
    const members = { event: anEvent({ name: "release" }), select: { job: "tests", matrix: [] } };
    expect(planWorkflow(workflow, request(members))).toMatchObject({ kind: "not_triggered", plan: { heldSteps: 5 } });
  });

  it("says of a matrix that is not known yet that nothing was chosen from it", () => {
    const dynamic = aJob("later", { needs: ["build"], ...withMatrix({ os: ["${{ needs.build.result }}"] }) });
    const select = { job: undefined, matrix: [{ key: "os", value: "mac" }] };
    const result = planWorkflow(aWorkflow({ jobs: [...jobs, dynamic] }), request({ select }));
    expect(result).toMatchObject({ kind: "planned", warnings: [{ key: "jobs.later.strategy.matrix" }] });
    expect(refusal(aWorkflow({ jobs: [aJob("build"), dynamic] }), { select })).toEqual([
      expect.stringContaining("known only at run time: those of later"),
    ]);
  });
});

describe("triggers and inputs", () => {
  const dispatch = aTrigger({
    event: "workflow_dispatch",
    inputs: [
      {
        name: "dry",
        at: { line: 3, column: 5 },
        type: "boolean",
        description: undefined,
        required: false,
        default: template(true),
        options: [],
      },
    ],
  });
  const workflow = aWorkflow({
    triggers: [aTrigger(), dispatch],
    jobs: [aJob("a", withMatrix({ v: ["${{ inputs.dry }}"] }))],
  });
  const event = anEvent({ name: "workflow_dispatch" });

  it("plans a workflow that the event does not start, and says why it does not", () => {
    const result = planWorkflow(workflow, request({ event: anEvent({ name: "release" }) }));
    expect(result).toMatchObject({ kind: "not_triggered", plan: { heldSteps: 1 } });
    expect(result).toMatchObject({
      reason: "the event is release, and the workflow starts on push, workflow_dispatch",
    });
  });

  it("knows no inputs of a workflow that does not start or that is called: what reads them waits, what is wrong is said", () => {
    const jobs = [
      aJob("a", withMatrix({ v: ["${{ inputs.dry }}"] })),
      aJob("b", withMatrix("${{ fromJSON(github.event.matrix) }}")),
    ];
    const triggers = [aTrigger({ event: "workflow_call" })];
    const idle = planWorkflow(aWorkflow({ triggers, jobs }), request());
    expect(idle).toMatchObject({ kind: "not_triggered", plan: { jobs: [{ cells: "dynamic" }, { cells: "dynamic" }] } });
    expect(idle).toMatchObject({ warnings: [{ kind: "warning", key: "jobs.b.strategy.matrix" }] });
    const called = aWorkflow({ triggers, jobs: jobs.slice(0, 1) });
    expect(labelsOf(planned(called, { event: anEvent({ name: "workflow_call" }) }))).toEqual(["dynamic"]);
    const literal = aWorkflow({ triggers, jobs: [aJob("a", withMatrix({ os: [] }))] });
    expect(refusal(literal)).toEqual([expect.stringContaining("does not contain any values")]);
  });

  it("types the inputs, shows them as strings in github.event.inputs, and lets the matrix read them", () => {
    const plan = planned(workflow, { event, inputs: { dry: "false" } });
    expect(plan.inputs).toEqual(Object.assign(Object.create(null), { dry: false }));
    expect(JSON.stringify(plan.event.payload)).toBe('{"inputs":{"dry":"false"}}');
    expect(labelsOf(plan)).toEqual([["false"]]);
  });

  it("takes inputs that were delivered with the event, and those of the command line over them", () => {
    const delivered = { ...event, payload: { inputs: { dry: "false" } } };
    expect(planned(workflow, { event: delivered }).inputs["dry"]).toBe(false);
    expect(planned(workflow, { event: delivered, inputs: { dry: "true" } }).inputs["dry"]).toBe(true);
  });

  it("refuses inputs that are wrong, and inputs for another event", () => {
    expect(refusal(workflow, { event, inputs: { wet: "1" } })).toEqual([
      expect.stringContaining("Unexpected input 'wet'"),
    ]);
    expect(refusal(workflow, { inputs: { dry: "true" } })).toEqual([
      expect.stringContaining("Input 'dry' is for workflow_dispatch; the event is push"),
    ]);
  });
});

describe("a call", () => {
  it("of what is no workflow anywhere refuses its caller, and is nothing that could be left out", () => {
    const workflow = aWorkflow({ jobs: [aCall("deploy", { uses: "./.github/workflows/gone.yml" }), aJob("test")] });
    expect(refusal(workflow, { called: () => ({ kind: "invalid", message: "Cannot find it" }) })).toEqual([
      ".github/workflows/ci.yml:1:1: error: Cannot find it (jobs.deploy.uses)",
    ]);
  });
});

describe("warnings", () => {
  it("are those of the reader, and none for concurrency and environments, which have their effect", () => {
    const warning = { kind: "warning", file: "x", at: undefined, key: undefined, message: "read" } as const;
    const jobs = [aJob("a", { concurrency: template("g"), environment: template("production") })];
    const result = planWorkflow(aWorkflow({ concurrency: template("g"), jobs }), request({ warnings: [warning] }));
    expect(result).toMatchObject({ kind: "planned", warnings: [warning] });
  });
});

const vectors = dictionary(constantFrom("os", "node", "arch"), uniqueArray(nat(9), { minLength: 1, maxLength: 4 }), {
  minKeys: 1,
});

const jobShape = record({
  /** One entry for each step: how many steps it holds in parallel, or none. */
  steps: array(oneof(constantFrom(undefined), integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 5 }),
  matrix: oneof(constantFrom(undefined), vectors),
  needs: array(nat(), { maxLength: 3 }),
  isCall: boolean(),
});

/** Jobs that need only jobs made before them, in an order of the file that has nothing to do with it. */
const workflows = array(jobShape, { minLength: 1, maxLength: 8 }).chain((shapes) => {
  const jobs = shapes.map((shape, index): Job => {
    const needs = index === 0 ? [] : [...new Set(shape.needs.map((need) => `j${need % index}`))];
    const strategy = shape.matrix === undefined ? {} : withMatrix(shape.matrix);
    if (shape.isCall) return aCall(`j${index}`, { needs, ...strategy });
    let number = 0;
    const steps = shape.steps.map((inner): Step => {
      number += 1;
      if (inner === undefined) return aRunStep(number);
      const outer = number;
      const held = Array.from({ length: inner }, () => aRunStep((number += 1)));
      return aControlStep(outer, { control: "parallel", steps: held });
    });
    return aJob(`j${index}`, { needs, steps, ...strategy });
  });
  const counts = shapes.map(({ isCall, steps }) =>
    isCall ? 0 : steps.reduce<number>((sum, inner) => sum + 1 + (inner ?? 0), 0),
  );
  const declaredSteps = counts.reduce((sum, count) => sum + count, 0);
  const sizes = new Map(
    shapes.map(({ matrix }, index) => [
      `j${index}`,
      Object.values(matrix ?? {}).reduce((product, values) => product * values.length, 1),
    ]),
  );
  return tuple(
    shuffledSubarray(jobs, { minLength: jobs.length }).map((jobs) => aWorkflow({ jobs, declaredSteps })),
    constantFrom(sizes),
  );
});

describe("planWorkflow, whatever the workflow", () => {
  it("holds exactly the declared steps, in order, puts needs before dependents, and neither invents nor loses a cell", () => {
    assert(
      property(workflows, ([workflow, sizes]) => {
        const plan = planned(workflow);
        expect(plan.heldSteps).toBe(workflow.declaredSteps);
        expect(idsOf(plan).toSorted()).toEqual(workflow.jobs.map((job) => job.id).toSorted());
        const before = new Set<string>();
        for (const { job, cells, steps } of plan.jobs) {
          expect(job.needs.every((need) => before.has(need))).toBe(true);
          before.add(job.id);
          expect(steps.map(({ step }) => step.number)).toEqual(steps.map((_, index) => index + 1));
          const distinct = new Set(cells === "dynamic" ? [] : cells.map(({ values }) => JSON.stringify(values)));
          expect([cells.length, distinct.size]).toEqual([sizes.get(job.id), sizes.get(job.id)]);
        }
      }),
    );
  });

  it("refuses every count of declared steps but the true one", () => {
    assert(
      property(workflows, integer({ min: -3, max: 3 }), ([workflow], difference) => {
        const declaredSteps = workflow.declaredSteps + difference;
        const { kind } = planWorkflow({ ...workflow, declaredSteps }, request());
        expect(kind).toBe(difference === 0 ? "planned" : "refused");
      }),
    );
  });

  it("keeps for --job the closure of its needs and nothing else, steps and cells whole", () => {
    assert(
      property(workflows, nat(), ([workflow, sizes], pick) => {
        const job = workflow.jobs[pick % workflow.jobs.length];
        const needed = new Set<string>();
        const add = (id: string): void => {
          needed.add(id);
          workflow.jobs.find((job) => job.id === id)?.needs.forEach(add);
        };
        add(job?.id ?? "");
        const plan = planned(workflow, { select: { job: job?.id, matrix: [] } });
        expect(new Set(idsOf(plan))).toEqual(needed);
        const held = workflow.jobs.filter((job) => needed.has(job.id)).flatMap((job) => stepsOf(job));
        expect([plan.declaredSteps, plan.heldSteps]).toEqual([held.length, held.length]);
        expect(plan.jobs.map(({ cells }) => cells.length)).toEqual(plan.jobs.map(({ job }) => sizes.get(job.id)));
      }),
    );
  });
});
