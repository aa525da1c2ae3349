import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { stringify } from "yaml";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { flattenSteps } from "./convert-steps.ts";
import { type ReadResult, readWorkflow } from "./read-workflow.ts";
import type { StepsJob, Workflow } from "./workflow.ts";

const path = ".github/workflows/ci.yml";

function read(text: string): Extract<ReadResult, { readonly kind: "read" }> {
  const result = readWorkflow(path, text);
  if (result.kind === "refused") throw new Error(result.diagnostics.map((it) => formatDiagnostic(it)).join("\n"));
  return result;
}

function refusals(text: string): readonly string[] {
  const result = readWorkflow(path, text);
  return result.kind === "read" ? [] : result.diagnostics.map((it) => formatDiagnostic(it));
}

function jobOf(workflow: Workflow, index = 0): StepsJob {
  const job = workflow.jobs[index];
  if (job?.kind !== "steps") throw new Error("no such job");
  return job;
}

/** A workflow with one job, which has these lines and one step. */
function withJob(...lines: readonly string[]): string {
  const job = ["runs-on: ubuntu-latest", ...lines, "steps: [{ run: echo }]"].map((line) => `    ${line}`);
  return ["on: push", "jobs:", "  build:", ...job].join("\n");
}

function withOn(...lines: readonly string[]): string {
  return [...lines, "jobs:", "  build:", "    runs-on: x", "    steps: [{ run: echo }]"].join("\n");
}

function withSteps(count: number): string {
  return `on: push\njobs:\n  big:\n    runs-on: x\n    steps:\n${"      - run: x\n".repeat(count)}`;
}

describe("a workflow", () => {
  it("keeps every key that the model names, with its place", () => {
    const { workflow } = read(`
name: CI
run-name: by \${{ github.actor }}
on: { push: { branches: [main], paths-ignore: docs/** }, workflow_dispatch: }
env: { A: 1.10, B: "\${{ vars.B }}" }
defaults: { run: { shell: bash, working-directory: src } }
jobs:
  build:
    name: Build
    runs-on: [self-hosted, linux]
    timeout-minutes: 5
    strategy: { matrix: { os: [a, b] }, fail-fast: false, max-parallel: 2 }
    outputs: { v: "\${{ steps.one.outputs.v }}" }
    steps:
      - id: one
        run: echo
        shell: sh
        working-directory: sub
        continue-on-error: true
      - uses: actions/checkout@v4
        with: { fetch-depth: 0 }
  call:
    needs: BUILD
    uses: ./.github/workflows/x.yml
    with: { a: 1 }
    secrets: inherit
`);
    expect(workflow).toMatchObject({
      name: "CI",
      runName: { expression: "format('by {0}', github.actor)", source: "by ${{ github.actor }}" },
      triggers: [
        { event: "push", branches: ["main"], tags: undefined, pathsIgnore: ["docs/**"] },
        { event: "workflow_dispatch", inputs: [] },
      ],
      env: { entries: [{ key: { value: "A" }, value: { value: "1.1" } }, { value: { expression: "vars.B" } }] },
      defaults: { shell: { value: "bash" }, workingDirectory: { value: "src" } },
      declaredSteps: 2,
      jobs: [
        {
          kind: "steps",
          name: { value: "Build" },
          timeoutMinutes: { value: 5 },
          strategy: { failFast: { value: false }, maxParallel: { value: 2 }, matrix: { kind: "mapping" } },
          outputs: { entries: [{ value: { expression: "steps.one.outputs.v" } }] },
          steps: [
            { id: "one", idGiven: true, number: 1, at: { line: 15, column: 9 }, shell: { value: "sh" } },
            { id: "__actions_checkout", idGiven: false, number: 2, uses: "actions/checkout@v4" },
          ],
        },
        { kind: "call", needs: ["build"], uses: "./.github/workflows/x.yml", secrets: "inherit" },
      ],
    });
  });

  it("runs a script as it was written, indentation and quotes as YAML means them", () => {
    const { workflow } = read(`
on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: |
          if true; then
            echo \${{ github.sha }}
          fi
      - run: "echo \\"\${{ github.ref }}\\"
          more"
`);
    expect(jobOf(workflow).steps.map((step) => step.kind === "run" && step.run)).toMatchObject([
      { expression: "format('if true; then\n  echo {0}\nfi\n', github.sha)" },
      { expression: `format('echo "{0}" more', github.ref)` },
    ]);
  });

  it("takes `if` as GitHub does, and warns of a text that is always true", () => {
    const { workflow, warnings } = read(withJob("if: ${{ github.ref }} == 'main'"));
    expect(workflow.jobs[0]?.condition.expression).toBe("success() && (format('{0} == ''main''', github.ref))");
    expect(warnings.map((it) => [it.key, it.at])).toEqual([["jobs.build.if", { line: 5, column: 9 }]]);
    const conditions = ["failure()", "'always()'", "!cancelled() && github.ref", "", "contains('a', Success())"];
    expect(
      conditions.map((it) => read(withJob(`if: ${JSON.stringify(it)}`)).workflow.jobs[0]?.condition.expression),
    ).toEqual([
      "failure()",
      "success() && ('always()')",
      "!cancelled() && github.ref",
      "success()",
      "contains('a', Success())",
    ]);
  });
});

describe("what GitHub's own reader gets wrong", () => {
  it("env, services and strategy may be expressions as a whole", () => {
    const { workflow } = read(`
on: push
jobs:
  a:
    runs-on: x
    env: \${{ fromJSON(vars.ENV) }}
    services: \${{ fromJSON(vars.SERVICES) }}
    strategy: \${{ fromJSON(vars.STRATEGY) }}
    steps: [{ run: echo, env: "\${{ fromJSON(vars.ENV) }}" }]
`);
    const job = jobOf(workflow);
    expect(job.env).toMatchObject({ kind: "expression", expression: "fromJSON(vars.ENV)" });
    expect(job.services).toMatchObject({ kind: "expression" });
    expect(job.strategy?.matrix).toMatchObject({ expression: "(fromJSON(vars.STRATEGY))['matrix']" });
    expect(job.steps[0]?.env).toMatchObject({ kind: "expression" });
  });

  it("needs ignore case, and come back as the jobs are spelled", () => {
    const { workflow } = read(`
on: push
jobs:
  Build: { runs-on: x, steps: [{ run: a }] }
  test: { needs: [build, BUILD], runs-on: x, steps: [{ run: b }] }
`);
    expect(workflow.jobs[1]?.needs).toEqual(["Build"]);
  });

  it("keys may be numbers", () => {
    const { workflow } = read(withJob("env: { 1: one, 2.50: two, true: three }"));
    expect(jobOf(workflow).env).toMatchObject({
      entries: [{ key: { value: "1" } }, { key: { value: "2.5" } }, { key: { value: "true" } }],
    });
  });

  test.each([
    "on: repository_dispatch",
    "on: [push, repository_dispatch]",
    "on: { repository_dispatch: { types: go } }",
  ])("%s is an event", (on) => {
    expect(read(withOn(on)).workflow.triggers.at(-1)?.event).toBe("repository_dispatch");
  });

  it("a schedule may be a block of text", () => {
    const { workflow } = read(withOn("on:", "  schedule:", "    - cron: |", "        0 5 * * 1"));
    expect(workflow.triggers[0]?.schedules).toEqual([{ cron: "0 5 * * 1", timezone: undefined }]);
  });

  it("an input's default of another type is read as the declared type, or ignored with a warning", () => {
    const { workflow, warnings } = read(
      withOn(
        "on:",
        "  workflow_dispatch:",
        "    inputs:",
        '      a: { type: boolean, default: "false" }',
        "      b: { type: number, default: '12' }",
        "      c: { type: string, default: 1.50 }",
        "      d: { type: boolean, default: perhaps }",
        "      e:",
      ),
    );
    expect(workflow.triggers[0]?.inputs).toMatchObject([
      { name: "a", type: "boolean", default: { value: false } },
      { name: "b", type: "number", default: { value: 12 } },
      { name: "c", type: "string", default: { value: "1.5" } },
      { name: "d", default: undefined },
      { name: "e", type: "string" },
    ]);
    expect(warnings.map((it) => it.key)).toEqual(["on.workflow_dispatch.inputs.d.default"]);
  });

  test.each([
    ["an unknown key of an event", withOn("on:", "  push: { unknown: 1 }"), "on.push.unknown"],
    ["filters of an event that has none", withOn("on:", "  create: { tags: ['v*'] }"), "on.create"],
    [
      "an unknown key of an input",
      withOn("on: { workflow_dispatch: { inputs: { a: { x: 1 } } } }"),
      "on.workflow_dispatch.inputs.a.x",
    ],
    ["cache-mode", withJob("cache-mode: read"), "jobs.build.cache-mode"],
    ["cache-mode of the workflow", withOn("on: push", "cache-mode: none"), "cache-mode"],
    ["snapshot", withJob("snapshot: image"), "jobs.build.snapshot"],
  ])("%s is a warning", (_name, text, key) => {
    const { warnings, workflow } = read(text);
    expect(warnings).toMatchObject([{ kind: "warning", key, file: path }]);
    expect(workflow.declaredSteps).toBe(1);
  });

  it("background steps are known, numbered and counted, those of a parallel group too", () => {
    const { workflow } = read(`
on: push
jobs:
  a:
    runs-on: x
    steps:
      - { id: server, run: serve, background: true }
      - parallel:
          - run: one
          - uses: a/b@v1
      - { wait: server }
      - wait-all:
      - { cancel: server }
`);
    const steps = flattenSteps(jobOf(workflow).steps);
    expect(steps.map(({ id, number }) => `${number} ${id}`)).toEqual([
      "1 server",
      "2 __parallel",
      "3 __run",
      "4 __a_b",
      "5 __wait",
      "6 __wait-all",
      "7 __cancel",
    ]);
    expect(workflow.declaredSteps).toBe(7);
    expect(steps[0]).toMatchObject({ background: true });
    expect(steps[4]).toMatchObject({ control: "wait", targets: ["server"] });
  });

  it("steps behind anchors and aliases are held and counted where they stand", () => {
    const { workflow } = read(`
on: push
jobs:
  a: &job
    runs-on: x
    steps: &steps
      - &step { run: one }
      - *step
  b: { runs-on: x, steps: *steps }
  c: *job
`);
    expect(workflow.declaredSteps).toBe(6);
    expect(workflow.jobs.map((_, index) => jobOf(workflow, index).steps.map(({ id }) => id))).toEqual(
      Array.from({ length: 3 }, () => ["__run", "__run_2"]),
    );
  });
});

describe("a refusal", () => {
  test.each([
    ["an unknown event", withOn("on: pusk"), `${path}:1:5: error: Unexpected value 'pusk' (on)`],
    [
      "an unknown type",
      withOn("on: { issues: { types: [opnd] } }"),
      `${path}:1:25: error: Unexpected value 'opnd' (on.issues.types[0])`,
    ],
    ["an unknown key", withJob("runs-onn: x"), `${path}:5:5: error: Unexpected value 'runs-onn' (jobs.build.runs-onn)`],
    [
      "a schedule",
      withOn("on: { schedule: [{ cron: 61 * * * * }] }"),
      /1:26: error: Invalid cron expression.*\(on\.schedule\[0\]\.cron\)$/,
    ],
    ["an unknown need", withJob("needs: other"), /:5:12: error: Job 'build' depends on unknown job 'other'/],
    [
      "a context out of place",
      withJob("if: secrets.X"),
      `${path}:5:9: error: Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.X (jobs.build.if)`,
    ],
    ["workflow_run without workflows", withOn("on: workflow_run"), /does not reference any workflows/],
    [
      "a wrong reference",
      withOn("on: push").replace("run: echo", "uses: checkout"),
      /Expected format.*\(jobs\.build\.steps\[0\]\.uses\)$/,
    ],
    ["a step that does nothing", withOn("on: push").replace("run: echo", "name: x"), /steps\[0\]/],
    [
      "a target that is no step",
      withOn("on: push").replace("run: echo", "wait: x"),
      /Step references unknown step ID 'x'.*\(jobs\.build\.steps\[0\]\.wait\)$/,
    ],
    ["a key that comes twice", withJob("runs-on: y"), /'runs-on' is already defined/],
    ["keys named like an object's own", withJob("constructor: x", "__proto__: y"), /Unexpected value 'constructor'/],
    ["no jobs", "on: push\njobs: {}", /at least one job/],
    ["nothing", "", `${path}:1:1: error: The file is empty, or comments only`],
    ["a tag of another schema", withJob("env: { A: !secret x }"), /Unexpected tag '!secret'/],
    [
      "an alias to nothing",
      withJob("env: *nothing"),
      `${path}:5:10: error: The alias '*nothing' has no anchor before it`,
    ],
  ])("names %s with its place", (_name, text, expected) => {
    expect(refusals(text)[0]).toMatch(expected);
  });

  it("names the line of a fault inside a script", () => {
    const text = withOn("on: push").replace(
      "[{ run: echo }]",
      "\n      - run: |\n          echo\n          echo ${{ nothing.here }}",
    );
    expect(refusals(text)[0]).toMatch(/ci\.yml:8:\d+: error: Unrecognized named-value: 'nothing'.*steps\[0\]\.run/);
  });

  it("is not lost behind any number of warnings", () => {
    const keys = Array.from({ length: 200 }, (_, index) => `k${index}: 1`);
    expect(read(withOn(`on: { push: { ${keys.join(", ")} } }`)).warnings).toHaveLength(100);
    const text = `${withOn(`on: { push: { ${keys.join(", ")} } }`)}\n    wrong: x`;
    expect(refusals(text)[0]).toContain("error: Unexpected value 'wrong'");
  });

  it("tells what was counted in broken YAML", () => {
    const text = `${withOn("on: push")}\nbroken\n`;
    expect(readWorkflow(path, text)).toMatchObject({ kind: "refused", declaredSteps: 1 });
  });

  it("comes for a script with an expression that is too long together", () => {
    const script = `echo \${{ github.sha }} ${"x".repeat(21_000)}`;
    expect(refusals(withOn("on: push").replace("echo", JSON.stringify(script)))[0]).toMatch(
      /Exceeded max expression length 21000/,
    );
  });
});

describe("a file made to hurt", () => {
  it("is refused for its depth without being parsed, ten times over", () => {
    for (let i = 0; i < 10; i++) {
      expect(readWorkflow(path, "[".repeat(1_000))).toEqual({
        kind: "refused",
        diagnostics: [
          {
            kind: "error",
            file: path,
            at: { line: 1, column: 100 },
            key: undefined,
            message: "Maximum object depth exceeded",
          },
        ],
        declaredSteps: undefined,
      });
    }
  });

  it("is refused for what its aliases come to", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i <= 9; i++)
      lines.push(`a${i}: &a${i} [${Array.from({ length: 9 }, () => `*a${i - 1}`).join(", ")}]`);
    expect(refusals(lines.join("\n"))).toEqual([
      expect.stringMatching(/ci\.yml:\d+:\d+: error: Maximum YAML nodes exceeded/),
    ]);
    expect(refusals("a: &a [*a]")).toEqual([`${path}:1:8: error: The alias '*a' contains itself`]);
    expect(refusals(`a: &a x\nb: [${"*a, ".repeat(1_001)}]`)).toEqual([
      expect.stringMatching(/More than 1000 aliases/),
    ]);
  });

  it("is refused for its size, and for its number of steps, with the job's name", () => {
    expect(refusals(withSteps(200_000))).toEqual([
      `${path}: error: The maximum file size of 1048576 characters has been exceeded`,
    ]);
    expect(refusals(withSteps(1_001))).toEqual([
      `${path}:6:7: error: Job 'big' has 1001 steps; at most 1000 are allowed (jobs.big.steps)`,
    ]);
    expect(read(withSteps(1_000)).workflow.declaredSteps).toBe(1_000);
    expect(refusals(`env:\n${"  a:\n".repeat(60_000)}`)).toEqual([
      expect.stringMatching(/Maximum YAML nodes exceeded: more than 50000$/),
    ]);
  });

  it("does not touch prototypes", () => {
    const { workflow } = read(withJob("env: { __proto__: a, constructor: b, prototype: c }"));
    expect(jobOf(workflow).env).toMatchObject({
      entries: ["__proto__", "constructor", "prototype"].map((value) => ({ key: { value } })),
    });
    expect(({} as { readonly polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe("any text", () => {
  const word = fc.constantFrom(
    "on",
    "push",
    "jobs",
    "steps",
    "run",
    "uses",
    "a/b@v1",
    "${{ github.x }}",
    "${{",
    "needs",
    "if",
    "x",
    "1",
    "null",
    "parallel",
    "matrix",
  );
  const { node } = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 6 },
      word,
      fc.array(tie("node"), { maxLength: 4 }),
      fc.dictionary(word, tie("node"), { maxKeys: 5 }),
    ),
  }));

  it("is read with all its steps, or refused with at least one diagnostic", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          node.map((value) => stringify(value)),
          fc.string(),
          fc.array(fc.constantFrom(..."-:[]{}#&*!|>'\"%@`?, \n\tab0$".split(""))).map((parts) => parts.join("")),
        ),
        (text) => {
          const result = readWorkflow(path, text);
          expect(
            result.kind === "refused"
              ? result.diagnostics.some((it) => it.kind === "error")
              : heldSteps(result.workflow) === result.workflow.declaredSteps,
          ).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("of a right shape is read with every step it was made of", () => {
    const step = fc.oneof(
      fc.record({ run: fc.string(), name: fc.string() }, { requiredKeys: ["run"] }),
      fc.record(
        { uses: fc.constantFrom("a/b@v1", "./x", "docker://y"), with: fc.constant({ a: 1 }) },
        { requiredKeys: ["uses"] },
      ),
    );
    const item = fc.oneof(step, fc.record({ parallel: fc.array(step, { minLength: 1, maxLength: 3 }) }));
    fc.assert(
      fc.property(fc.array(fc.array(item, { maxLength: 6 }), { minLength: 1, maxLength: 5 }), (jobs) => {
        const entries = jobs.map((steps, index) => [`j${index}`, { "runs-on": "x", steps }] as const);
        const text = stringify({ on: "push", jobs: Object.fromEntries(entries) }).replaceAll("${{", "$ {{");
        const made = jobs.flat().reduce((sum, it) => sum + 1 + ("parallel" in it ? it.parallel.length : 0), 0);
        expect(heldSteps(read(text).workflow)).toBe(made);
      }),
      { numRuns: 300 },
    );
  });
});

function heldSteps({ jobs }: Workflow): number {
  return jobs.reduce((sum, job) => sum + (job.kind === "steps" ? flattenSteps(job.steps).length : 0), 0);
}
