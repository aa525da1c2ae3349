import { describe, expect, it, test } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { emptyJobs } from "./empty-jobs.ts";
import { readWorkflow } from "./read-workflow.ts";

describe("a job", () => {
  test.each([
    "strategy: { matrix: { os: [a] } }",
    "strategy: { matrix: { include: [{ os: a }] } }",
    "strategy: { matrix: { include: '${{ fromJSON(vars.A) }}' } }",
    "strategy: { matrix: '${{ fromJSON(vars.A) }}' }",
    "concurrency: a",
    "concurrency: { group: a, queue: max }",
    "concurrency: { group: a, queue: max, cancel-in-progress: false }",
    "concurrency: { group: a, queue: max, cancel-in-progress: '${{ vars.A }}' }",
    "concurrency: { group: a, queue: single, cancel-in-progress: true }",
    "container: { image: a }",
    "services: { db: { image: a }, other: b }",
    "runs-on: { group: organization/a, labels: b }",
  ])("may have %s", (line) => {
    expect(refusals(line)).toEqual([]);
  });

  test.each([
    ["strategy: { matrix: {} }", "4:25: error: Matrix must define at least one vector (jobs.a.strategy.matrix)"],
    [
      "strategy: { matrix: { exclude: [{ os: a }] } }",
      "4:25: error: Matrix must define at least one vector (jobs.a.strategy.matrix)",
    ],
    [
      "strategy: { matrix: { include: [] } }",
      "4:25: error: Matrix must define at least one vector (jobs.a.strategy.matrix)",
    ],
    [
      "strategy: { matrix: { os: [] } }",
      "4:31: error: Matrix vector 'os' does not contain any values (jobs.a.strategy.matrix.os)",
    ],
    ["strategy: { matrix: { os: a } }", "4:31: error: Unexpected value 'a' (jobs.a.strategy.matrix.os)"],
    [
      "concurrency: { group: a, queue: max, cancel-in-progress: true }",
      "4:18: error: 'queue: max' and 'cancel-in-progress: true' cannot be combined (jobs.a.concurrency)",
    ],
    ["concurrency: { group: a, queue: all }", "4:37: error: Unexpected value 'all' (jobs.a.concurrency.queue)"],
    [
      "concurrency: { cancel-in-progress: true }",
      "4:18: error: Required property is missing: group (jobs.a.concurrency)",
    ],
    ["concurrency: ''", "4:18: error: Unexpected value '' (jobs.a.concurrency)"],
    ["container: { options: a }", "4:16: error: Container image cannot be empty (jobs.a.container)"],
    ["services: { db: { ports: [1] } }", "4:21: error: Container image cannot be empty (jobs.a.services.db)"],
    ["container: docker://", "4:16: error: Container image cannot be empty (jobs.a.container)"],
    ["services: { db: docker:// }", "4:21: error: Container image cannot be empty (jobs.a.services.db)"],
    ["services: { db: { image: docker:// } }", "4:21: error: Container image cannot be empty (jobs.a.services.db)"],
  ])("may not have %s", (line, expected) => {
    expect(refusals(line)).toEqual([`ci.yml:${expected}`]);
  });

  it("has an id that may stand in an expression", () => {
    for (const id of ["a", "_a", "A-1", "a_b"])
      expect(read(`on: push\njobs: { ${id}: { runs-on: x, steps: [{ run: a }] } }`).kind).toBe("read");
    for (const id of ["1a", "-a", "a.b", "a b", "__a", "ä"]) {
      expect(read(`on: push\njobs: { '${id}': { runs-on: x, steps: [{ run: a }] } }`)).toMatchObject({
        kind: "refused",
        diagnostics: [{ key: `jobs.${id}`, at: { line: 2 }, message: expect.stringContaining(`'${id}' is invalid`) }],
      });
    }
  });
});

describe("jobs without steps", () => {
  it("are read, and named with their places where a plan is made", () => {
    const result = read(
      "on: push\njobs:\n  a: { runs-on: x }\n  b: { runs-on: x, steps: [] }\n  c: { runs-on: x, steps: [{ run: a }] }\n  d: { uses: ./a.yml }",
    );
    if (result.kind === "refused") throw new Error(JSON.stringify(result.diagnostics));
    expect(emptyJobs(result.workflow).map((it) => formatDiagnostic(it))).toEqual([
      "ci.yml:3:3: error: No steps defined in `steps` and no workflow called in `uses` for the following jobs: a (jobs.a)",
      "ci.yml:4:3: error: No steps defined in `steps` and no workflow called in `uses` for the following jobs: b (jobs.b)",
    ]);
  });
});

function read(text: string): ReturnType<typeof readWorkflow> {
  return readWorkflow("ci.yml", text);
}

function refusals(line: string): readonly string[] {
  const runsOn = line.startsWith("runs-on") ? "" : "\n    runs-on: x";
  const result = read(`on: push\njobs:\n  a:\n    ${line}${runsOn}\n    steps: [{ run: a }]`);
  return result.kind === "read" ? [] : result.diagnostics.map((it) => formatDiagnostic(it));
}
