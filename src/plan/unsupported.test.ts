import { describe, expect, it } from "vitest";
import type { Value } from "../expression/template.ts";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import type { Job, StepsJob } from "../workflow/workflow.ts";
import {
  aCall,
  aControlStep,
  aJob,
  anEvent,
  noCalls,
  aRunStep,
  aUsesStep,
  aWorkflow,
  template,
} from "./plan-fixture.ts";
import { planWorkflow } from "./plan-workflow.ts";
import type { Way } from "./plan.ts";
import { defaultRunners } from "./runner-map.ts";
import { unsupportedInPlan } from "./unsupported.ts";

const VARS = { OS: "windows-latest", IMAGE: "" };

/** What is unsupported in a workflow of these jobs, as lines; `ways` are by the step's number, `run` without. */
function unsupported(jobs: readonly Job[], ways: { readonly [number: number]: Way } = {}): readonly string[] {
  const declaredSteps = jobs.reduce((sum, job) => sum + (job.kind === "steps" ? job.steps.length : 0), 0);
  const inner = jobs.flatMap((job) => (job.kind === "steps" ? job.steps : []));
  const parallel = inner.reduce((sum, step) => sum + (step.kind === "control" ? step.steps.length : 0), 0);
  const result = planWorkflow(aWorkflow({ jobs, declaredSteps: declaredSteps + parallel }), {
    event: anEvent(),
    inputs: {},
    vars: VARS,
    chooseWay: (step) => ways[step.number] ?? { kind: "run" },
    called: noCalls,
    runners: defaultRunners,
    select: { job: undefined, matrix: [] },
    warnings: [],
  });
  if (result.kind === "refused") throw new Error("the workflow of this test is refused");
  return unsupportedInPlan(result.plan, { runners: defaultRunners, vars: VARS }).map((diagnostic) =>
    formatDiagnostic(diagnostic),
  );
}

function job(members: Partial<StepsJob>, matrix?: Value): readonly Job[] {
  const strategy =
    matrix === undefined
      ? undefined
      : { template: template({ matrix }), matrix: template(matrix), failFast: undefined, maxParallel: undefined };
  return [aJob("build", { ...members, strategy })];
}

const REMOTE: Way = { kind: "unsupported", what: "the action a/b@v1", fix: "write it as run: steps" };

describe("unsupportedInPlan", () => {
  it("is empty for what can run", () => {
    expect(unsupported([aJob("a"), aJob("b", { runsOn: template(["self-hosted", "linux"]) })])).toEqual([]);
  });

  it("says file, line, column and key, the word unsupported and what to do", () => {
    const steps = [aRunStep(1), aUsesStep(2, "a/b@v1")];
    expect(unsupported(job({ steps }), { 2: REMOTE })).toEqual([
      ".github/workflows/ci.yml:2:15: unsupported: the action a/b@v1 is unsupported: write it as run: steps (jobs.build.steps[1].uses)",
    ]);
  });

  it("names the place of a step within parallel, and of one within composite actions", () => {
    const inner = [aRunStep(2), aUsesStep(3, "./a")];
    const steps = [aControlStep(1, { control: "parallel", steps: inner }), aRunStep(4)];
    const deep: Way = {
      kind: "composite",
      path: "b",
      action: undefined,
      steps: [
        { name: "Set up", way: REMOTE },
        { name: "x", way: REMOTE },
      ],
    };
    const way: Way = { kind: "composite", path: "a", action: undefined, steps: [{ name: "./b", way: deep }] };
    const place = "unsupported: In a (./b) > b (Set up): the action a/b@v1 is unsupported";
    expect(unsupported(job({ steps }), { 3: way, 1: { kind: "unsupported", what: "parallel", fix: "x" } })).toEqual([
      expect.stringContaining("unsupported: parallel is unsupported: x (jobs.build.steps[0])"),
      expect.stringContaining(place),
      expect.stringContaining(
        "(x): the action a/b@v1 is unsupported: write it as run: steps (jobs.build.steps[0].parallel[1].uses)",
      ),
    ]);
  });

  it.each([
    ["a container", job({ container: template("node:20") }), "(jobs.build.container)"],
    ["a container's image", job({ container: template({ image: "node:20" }) }), "(jobs.build.container)"],
    ["services", job({ services: template({ db: { image: "postgres" } }) }), "(jobs.build.services)"],
    ["a container that is known only later", job({ container: template("${{ needs.a.outputs.image }}") }), "container"],
    ["Windows", job({ runsOn: template("windows-latest") }), "(jobs.build.runs-on)"],
    ["Windows in a variable", job({ runsOn: template("${{ vars.OS }}") }), "(jobs.build.runs-on)"],
    ["a container that the run's number decides", job({ container: template("${{ github.run_id }}") }), "container"],
    [
      "a container that the variables of an environment may name",
      job({ container: template("${{ vars.IMAGE }}"), environment: template("production") }),
      "container",
    ],
    [
      "macOS in a cell",
      job({ runsOn: template("${{ matrix.os }}") }, { os: ["ubuntu-latest", "macos-14"] }),
      "macos-14",
    ],
    ["Windows in labels", job({ runsOn: template({ group: "big", labels: ["Windows", "x64"] }) }), "'Windows'"],
  ])("names %s, once", (_, jobs, part) => {
    expect(unsupported(jobs)).toEqual([expect.stringMatching(/is unsupported: /u)]);
    expect(unsupported(jobs)[0]).toContain(part);
  });

  it("names a called workflow that cannot be had", () => {
    expect(unsupported([aCall("call")])).toEqual([
      ".github/workflows/ci.yml:1:1: unsupported: Cannot find the workflow './.github/workflows/reusable.yml' (jobs.call.uses)",
    ]);
  });

  it("says the same thing of several cells once", () => {
    const matrix = { os: ["windows-latest"], node: [20, 22, 24] };
    expect(unsupported(job({ runsOn: template(["self-hosted", "${{ matrix.os }}"]) }, matrix))).toHaveLength(1);
  });

  it.each([
    ["an empty container", job({ container: template("") })],
    ["a container that is empty in every cell", job({ container: template("${{ matrix.image }}") }, { v: [1] })],
    [
      "an image that is empty",
      job({ container: template({ image: "${{ matrix.image }}", env: "${{ secrets.X }}" }) }, { v: [1] }),
    ],
    ["a container that a variable leaves empty", job({ container: template("${{ vars.IMAGE }}") })],
    ["no services", job({ services: template({}) })],
    ["services that come to nothing", job({ services: template("${{ matrix.services }}") }, { v: [1] })],
  ])("accepts %s", (_, jobs) => {
    expect(unsupported(jobs)).toEqual([]);
  });

  it.each(["${{ needs.a.outputs.os }}", "${{ github.run_id || 'windows-latest' }}", "${{ fromJSON('{') }}"])(
    "leaves runs-on: %s to run time",
    (runsOn) => {
      expect(unsupported(job({ runsOn: template(runsOn) }))).toEqual([]);
    },
  );

  it("warns of a runner that nobody has explained, and says how to", () => {
    const [line = "", ...others] = unsupported(job({ runsOn: template(["self-hosted", "gpu"]) }));
    expect(line).toContain("ci.yml:1:1: warning: Nothing is known of a runner 'gpu'");
    expect(line).toContain('hearth.yml what it means: runs-on: { "gpu": { image: NAME } } (jobs.build.runs-on)');
    expect(others).toEqual([]);
  });
});
