import { describe, expect, it } from "vitest";
import { aCall, aJob, anEvent, aTrigger, aWorkflow } from "../plan/plan-fixture.ts";
import type { CalledPlan, PlannedJob, PlannedWorkflow } from "../plan/plan.ts";
import { run } from "./fake-command-line.ts";
import { refused } from "./fake-hearth.ts";
import { graphLines } from "./graph-text.ts";
import { graphSvg } from "./graph-svg.ts";
import { stagesOf } from "./job-graph.ts";

function planned(
  id: string,
  needs: readonly string[] = [],
  cells: PlannedJob["cells"] = [{ values: {}, label: "" }],
): PlannedJob {
  return { job: aJob(id, { needs }), cells, steps: [], called: undefined };
}

function calling(id: string, needs: readonly string[], jobs: readonly PlannedJob[]): PlannedJob {
  const origin = { repository: "o/r", path: "x.yml", ref: "main", sha: "0" };
  const called: CalledPlan = { kind: "called", plan: aPlanned(jobs), origin };
  return {
    job: aCall(id, { needs, uses: "./.github/workflows/e2e.yml" }),
    cells: [{ values: {}, label: "" }],
    steps: [],
    called,
  };
}

function aPlanned(jobs: readonly PlannedJob[]): PlannedWorkflow {
  const workflow = aWorkflow({ jobs: jobs.map(({ job }) => job) });
  return { workflow, inputs: {}, jobs, declaredSteps: 0, heldSteps: 0 };
}

const cells = [
  { values: {}, label: "a" },
  { values: {}, label: "b" },
];
const graph = aPlanned([
  planned("lint"),
  planned("build", [], cells),
  planned("test", ["build"], "dynamic"),
  calling("e2e", ["build"], [planned("browsers"), planned("report", ["browsers"])]),
  planned("deploy", ["test", "e2e", "lint"]),
]);

function text(planned: PlannedWorkflow): string[] {
  return graphLines(stagesOf(planned)).map((line) => line.map((part) => part.text).join(""));
}

describe("the job graph as text", () => {
  it("shows stages, what each job needs, matrices, and the graph of a called workflow below its job", () => {
    expect(text(graph)).toEqual([
      "  1 ┬ lint",
      "    └ build (2 cells)",
      "    │",
      "  2 ┬ test (matrix)  ← build",
      "    └ e2e → ./.github/workflows/e2e.yml  ← build",
      "        1 ─ browsers",
      "          │",
      "        2 ─ report  ← browsers",
      "    │",
      "  3 ─ deploy  ← test, e2e, lint",
    ]);
  });
});

describe("the job graph as SVG", () => {
  const svg = graphSvg([{ title: "ci.yml", stages: stagesOf(graph) }]);

  it("has a box for each job, a frame for a call, an edge for each need, and refers to nothing outside", () => {
    expect(svg.match(/<rect class="job"/g)).toHaveLength(6);
    expect(svg.match(/<rect class="call"/g)).toHaveLength(1);
    expect(svg.match(/<path class="edge"/g)).toHaveLength(6);
    expect(svg).not.toMatch(/href|<script|url\(|@import/);
    expect(elementsOf(svg)).toContain("deploy");
  });

  it("draws no edge that others imply, and says it where one points", () => {
    const chain = aPlanned([planned("a"), planned("b", ["a"]), planned("c", ["a", "b"])]);
    const drawn = graphSvg([{ title: "", stages: stagesOf(chain) }]);
    expect(drawn.match(/<path class="edge"/g)).toHaveLength(2);
    expect(drawn).toContain("<title>c needs a, b</title>");
  });

  it("keeps boxes of one stage apart and stages from left to right", () => {
    const boxes = [
      ...svg.matchAll(
        /<title>(\S+)[^<]*<\/title><rect class="\w+" x="(\d+(?:\.\d+)?)" y="(\d+(?:\.\d+)?)" width="(\d+(?:\.\d+)?)" height="(\d+(?:\.\d+)?)"/g,
      ),
    ].map(([, id = "", x, y, width, height]) => ({
      id,
      x: Number(x),
      y: Number(y),
      right: Number(x) + Number(width),
      bottom: Number(y) + Number(height),
    }));
    const box = (id: string) =>
      boxes.find((one) => one.id === id) ?? { x: Number.NaN, y: Number.NaN, right: Number.NaN, bottom: Number.NaN };
    expect(box("lint").bottom).toBeLessThan(box("build").y);
    expect(box("build").right).toBeLessThan(box("test").x);
    expect(box("e2e").right).toBeLessThan(box("deploy").x);
    expect(box("browsers").x).toBeGreaterThan(box("e2e").x);
    expect(box("report").right).toBeLessThan(box("e2e").right);
    expect(box("report").bottom).toBeLessThan(box("e2e").bottom);
  });

  it("is a document whatever the names are, and none of them becomes markup", () => {
    const hostile = `</text><script>alert(1)</script>"'&\u0000\ud800\u001b[2J\uffff<![CDATA[`;
    const drawn = graphSvg([
      { title: hostile, stages: stagesOf(aPlanned([planned(hostile), planned("x", [hostile])])) },
    ]);
    expect(elementsOf(drawn)).toContain("alert(1)");
    expect(drawn).not.toMatch(/<script|<!\[CDATA|[\ud800-\udfff\uffff]|(?!\n)\p{Cc}/u);
  });
});

/** The texts of a document of which every tag is closed in its order; throws for anything else. */
function elementsOf(svg: string): string {
  const open: string[] = [];
  let texts = "";
  for (const [whole, close, name = "", rest = ""] of svg.matchAll(
    /<(\/?)([a-z]+)((?:\s[a-zA-Z-]+="[^"<]*")*\s*\/?)>|[^<]+|</g,
  )) {
    if (whole === "<") throw new Error("markup that is no element");
    if (name === "") texts += whole;
    else if (close !== "/" && !rest.endsWith("/")) open.push(name);
    else if (close === "/" && open.pop() !== name) throw new Error(`</${name}> closes another element`);
  }
  expect(open).toEqual([]);
  return texts;
}

describe("--list and --graph", () => {
  const plan = { ...graph, event: anEvent(), inputs: {} };
  const results = [{ kind: "planned", plan, warnings: [] } as const];

  it("list jobs with stage, cells, calls and needs, and run nothing", async () => {
    const { code, stdout, hearth } = await run(["run", "--list"], { results });
    expect({ code, calls: hearth.calls }).toEqual({ code: 0, calls: ["select"] });
    expect(stdout.split("\n")).toEqual([
      "ci.yml  CI  on push",
      "  1  lint",
      "  1  build   2 cells",
      "  2  test    matrix                                  needs build",
      "  2  e2e              → ./.github/workflows/e2e.yml  needs build",
      "  3  deploy                                          needs test, e2e, lint",
      "",
      "",
    ]);
  });

  it("say when a schedule fires next, and of a workflow that the event does not start that it does not", async () => {
    const schedules = [{ cron: "30 5 * * 1", timezone: undefined }];
    const workflow = aWorkflow({ triggers: [aTrigger({ event: "schedule", schedules })] });
    const nightly = {
      kind: "not_triggered",
      plan: { ...plan, workflow, jobs: [planned("build")] },
      warnings: [],
      reason: "",
    } as const;
    const { stdout } = await run(["run", "--list"], { results: [nightly], startAt: "2026-11-22T10:00:00.000Z" });
    expect(stdout).toBe(
      "ci.yml  CI  on schedule (30 5 * * 1, next 2026-11-23 05:30 UTC)  not triggered by push\n  1  build\n\n",
    );
  });

  it("draw the graph, as text or as SVG, for `run` as for `plan`", async () => {
    const drawn = (await run(["run", "--graph"], { results })).stdout;
    expect(drawn).toContain("ci.yml  CI\n  1 ┬ lint\n");
    expect((await run(["plan", "--graph", "text"], { results })).stdout).toBe(drawn);
    expect((await run(["plan", "--graph=svg"], { results })).stdout).toMatch(/^<svg xmlns=/);
  });

  it("take the workflow after --graph for the workflow", async () => {
    const { hearth } = await run(["run", "--graph", "ci.yml"], { results });
    expect(hearth.requests[0]?.path).toMatch(/\/ci\.yml$/);
    const both = await run(["run", "ci.yml", "--graph", "png"], { results });
    expect(both).toMatchObject({ code: 2, stderr: "error: Cannot use --graph png\n" });
  });

  it("say of a file that cannot be read what is wrong with it, on stderr", async () => {
    const { code, stdout, stderr } = await run(["run", "--graph=svg"], { results: [refused("bad.yml"), ...results] });
    expect(code).toBe(3);
    expect(stdout).toMatch(/^<svg/);
    expect(stderr).toBe("bad.yml  refused\n  bad.yml:3:5: error: unknown event (on)\n");
  });
});
