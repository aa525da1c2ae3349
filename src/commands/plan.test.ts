import { describe, expect, it } from "vitest";
import type { PlanResult, Way } from "../plan/plan.ts";
import { run } from "./fake-command-line.ts";
import { aPlan, planned, refused } from "./fake-hearth.ts";

const unsupported: Way = { kind: "unsupported", what: "docker://alpine", fix: "containers come later" };
const composite: Way = {
  kind: "composite",
  path: "./a",
  action: undefined,
  steps: [
    { name: "x", way: { kind: "run" } },
    { name: "y", way: unsupported },
  ],
};

const results: PlanResult[] = [
  refused(".github/workflows/bad.yml"),
  planned(".github/workflows/ci.yml", [
    { kind: "run" },
    { kind: "builtin", builtin: "checkout" },
    { kind: "javascript", using: "node24", path: "./js", action: undefined },
    { kind: "local", path: "./later" },
    composite,
    unsupported,
  ]),
  { kind: "not_triggered", plan: aPlan(".github/workflows/release.yml"), warnings: [], reason: "it runs on release" },
];

describe("hearth plan", () => {
  it("shows every file with the way of each step, broken ones among the others, and the sum last", async () => {
    const { code, stdout, stderr, hearth } = await run(["plan"], { results });
    expect({ code, stderr, calls: hearth.calls }).toEqual({ code: 3, stderr: "", calls: ["select"] });
    expect(stdout.split("\n")).toEqual([
      "bad.yml  refused",
      "  .github/workflows/bad.yml:3:5: error: unknown event (on)",
      "",
      "ci.yml  1 job  6/6 steps held  cannot run here",
      "  .github/workflows/ci.yml:5:9: unsupported: In ./a (y): docker://alpine is unsupported: containers come later (jobs.build.steps[4])",
      "  .github/workflows/ci.yml:6:9: unsupported: docker://alpine is unsupported: containers come later (jobs.build.steps[5])",
      "  build",
      "     1  Run true  run",
      "     2  Run true  built-in checkout",
      "     3  Run true  javascript (node24)",
      "     4  Run true  local ./later, read when it is reached",
      "     5  Run true  composite, 2 steps; unsupported: docker://alpine",
      "     6  Run true  unsupported: docker://alpine",
      "",
      "release.yml  1 job  1/1 steps held  not triggered: it runs on release",
      "",
      "1 workflow cannot run here (2 places in the way), `hearth run` refuses them; `refused` below are those that cannot be read",
      "3 workflows  2 jobs  7 steps  1 refused",
      "",
    ]);
  });

  it("ends with the line that scripts read", async () => {
    const many = Array.from({ length: 30 }, (_, i) => planned(`w${i}.yml`));
    expect((await run(["plan"], { results: many })).stdout).toMatch(
      /\n30 workflows {2}30 jobs {2}30 steps {2}0 refused\n$/,
    );
  });

  it("exits as `hearth run` would: 0 when something may start, 4 when nothing is triggered", async () => {
    expect((await run(["plan"], { results: results.slice(2) })).code).toBe(4);
    expect((await run(["plan"], { results: [planned("a.yml")] })).code).toBe(0);
    expect((await run(["plan"], {})).code).toBe(4);
  });

  it("marks what --skip-unsupported leaves out, as a job or as cells of one", async () => {
    const plan = aPlan("m.yml");
    const [job] = plan.jobs;
    if (job === undefined) throw new Error("the plan has a job");
    const reason = "The runner 'macos-14' is unsupported: machines run Linux";
    const linux = { values: { os: "linux" }, label: "linux" };
    const mac = { values: { os: "mac" }, label: "mac", unsupported: reason };
    const jobs = [
      { ...job, cells: [linux, mac] },
      { ...job, cells: [{ ...mac, label: "" }] },
      { ...job, cells: "dynamic" as const, unsupported: reason },
    ];
    const { code, stdout } = await run(["plan"], {
      results: [{ kind: "planned", plan: { ...plan, jobs }, warnings: [] }],
    });
    expect(code).toBe(6);
    expect(stdout.split("\n").filter((line) => line.startsWith("  build"))).toEqual([
      "  build  2 cells: (linux) (mac, left out)",
      "  build  left out",
      "  build  matrix known when its needs have ended  left out",
    ]);
  });

  it("shows matrix cells, and that a matrix is not known yet", async () => {
    const plan = aPlan("m.yml");
    const [job] = plan.jobs;
    if (job === undefined) throw new Error("the plan has a job");
    const cells = Array.from({ length: 10 }, (_, i) => ({ values: { n: i }, label: String(i) }));
    const matrix = {
      ...plan,
      jobs: [
        { ...job, cells },
        { ...job, cells: "dynamic" as const },
      ],
    };
    const { stdout } = await run(["plan"], { results: [{ kind: "planned", plan: matrix, warnings: [] }] });
    expect(stdout).toContain("  build  10 cells: (0) (1) (2) (3) (4) (5) (6) (7) and 2 more\n");
    expect(stdout).toContain("  build  matrix known when its needs have ended\n");
  });

  it("prints one JSON document with --json", async () => {
    const { code, stdout } = await run(["plan", "--json"], { results });
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      event: { name: "push" },
      totals: { workflows: 3, jobs: 2, steps: 7, refused: 1 },
      workflows: [
        { status: "refused", diagnostics: [{ at: { line: 3, column: 5 } }] },
        {
          status: "planned",
          declaredSteps: 6,
          heldSteps: 6,
          jobs: [{ id: "build", steps: [{ number: 1, way: { kind: "run" } }, {}, {}, {}, {}, {}] }],
          diagnostics: [{ kind: "unsupported" }, { kind: "unsupported" }],
        },
        { status: "not_triggered", reason: "it runs on release" },
      ],
    });
  });

  it("keeps an author's text from touching the terminal", async () => {
    const { stdout } = await run(["plan"], { results: [refused("\u001b[2J\u001b]0;x\u0007evil.yml")] });
    expect(stdout).not.toMatch(/(?!\n)\p{Cc}/u);
  });
});
