/**
 * Every key of GitHub's table "Context availability" (ACTIONS-CONTRACT §1.5): which contexts and functions an expression
 * there may name. Each pair is tried in a file of its own: what is allowed is read, what is not is refused by its name,
 * with the place and the key. https://docs.github.com/en/actions/reference/workflows-and-actions/contexts
 */
import { describe, expect, it, test } from "vitest";
import { readWorkflow } from "./read-workflow.ts";

const CONTEXTS = [
  "github",
  "inputs",
  "vars",
  "needs",
  "strategy",
  "matrix",
  "job",
  "runner",
  "env",
  "secrets",
  "steps",
  "jobs",
] as const;

const BASE = ["github", "inputs", "vars"];
const NEEDS = [...BASE, "needs"];
const MATRIX = [...NEEDS, "strategy", "matrix"];
const RUNNER = [...MATRIX, "job", "runner", "env"];
const STEPS = [...RUNNER, "secrets", "steps"];

const STATUS = ["always()", "cancelled()", "success()", "failure()"];
const HASH = ["hashFiles('a')"];
const WITH_ARGUMENTS = ["success('a')", "failure('a', 'b')"];
const FUNCTIONS = [...STATUS, ...WITH_ARGUMENTS, ...HASH];

interface Row {
  /** As diagnostics name it. */
  readonly key: string;
  readonly contexts: readonly string[];
  readonly functions?: readonly string[];
  /** A file with `X` at the key. */
  readonly file: string;
}

const rows: readonly Row[] = [
  { key: "run-name", contexts: BASE, file: atRoot("run-name: X") },
  { key: "concurrency", contexts: BASE, file: atRoot("concurrency: X") },
  { key: "concurrency.group", contexts: BASE, file: atRoot("concurrency: { group: X }") },
  {
    key: "concurrency.cancel-in-progress",
    contexts: BASE,
    file: atRoot("concurrency: { group: a, cancel-in-progress: X }"),
  },
  { key: "env.A", contexts: [...BASE, "secrets"], file: atRoot("env: { A: X }") },
  { key: "defaults.run.shell", contexts: [], file: atRoot("defaults: { run: { shell: X } }") },
  {
    key: "defaults.run.working-directory",
    contexts: [],
    file: atRoot("defaults: { run: { working-directory: X } }"),
  },
  { key: "name", contexts: [], file: atRoot("name: X") },
  {
    key: "on.workflow_call.inputs.a.default",
    contexts: BASE,
    file: withOn("{ workflow_call: { inputs: { a: { type: string, default: X } } } }"),
  },
  {
    key: "on.workflow_call.outputs.a.value",
    contexts: [...BASE, "jobs"],
    file: withOn("{ workflow_call: { outputs: { a: { value: X } } } }"),
  },
  {
    key: "on.workflow_dispatch.inputs.a.default",
    contexts: [],
    file: withOn("{ workflow_dispatch: { inputs: { a: { type: string, default: X } } } }"),
  },
  { key: "on.push.branches[0]", contexts: [], file: withOn("{ push: { branches: [X] } }") },

  { key: "jobs.j.name", contexts: MATRIX, file: inJob("name: X") },
  {
    key: "jobs.j.if",
    contexts: NEEDS,
    functions: [...STATUS, ...WITH_ARGUMENTS],
    file: inJob("if: X"),
  },
  { key: "jobs.j.strategy", contexts: NEEDS, file: inJob("strategy: X") },
  { key: "jobs.j.strategy.fail-fast", contexts: NEEDS, file: inJob("strategy: { fail-fast: X }") },
  { key: "jobs.j.strategy.max-parallel", contexts: NEEDS, file: inJob("strategy: { max-parallel: X }") },
  { key: "jobs.j.strategy.matrix", contexts: NEEDS, file: inJob("strategy: { matrix: X }") },
  { key: "jobs.j.strategy.matrix.os[0]", contexts: NEEDS, file: inJob("strategy: { matrix: { os: [X] } }") },
  {
    key: "jobs.j.strategy.matrix.include[0].a",
    contexts: NEEDS,
    file: inJob("strategy: { matrix: { include: [{ a: X }] } }"),
  },
  { key: "jobs.j.runs-on", contexts: MATRIX, file: inJob("", "runs-on: X") },
  { key: "jobs.j.runs-on[1]", contexts: MATRIX, file: inJob("", "runs-on: [a, X]") },
  { key: "jobs.j.runs-on.group", contexts: MATRIX, file: inJob("", "runs-on: { group: X }") },
  { key: "jobs.j.runs-on.labels", contexts: MATRIX, file: inJob("", "runs-on: { labels: X }") },
  { key: "jobs.j.timeout-minutes", contexts: MATRIX, file: inJob("timeout-minutes: X") },
  { key: "jobs.j.continue-on-error", contexts: MATRIX, file: inJob("continue-on-error: X") },
  { key: "jobs.j.concurrency", contexts: MATRIX, file: inJob("concurrency: X") },
  { key: "jobs.j.concurrency.group", contexts: MATRIX, file: inJob("concurrency: { group: X }") },
  { key: "jobs.j.environment", contexts: MATRIX, file: inJob("environment: X") },
  { key: "jobs.j.environment.name", contexts: MATRIX, file: inJob("environment: { name: X }") },
  {
    key: "jobs.j.environment.url",
    contexts: [...RUNNER, "steps"],
    file: inJob("environment: { name: a, url: X }"),
  },
  { key: "jobs.j.container", contexts: MATRIX, file: inJob("container: X") },
  { key: "jobs.j.container.image", contexts: MATRIX, file: inJob("container: { image: X }") },
  {
    key: "jobs.j.container.credentials.password",
    contexts: [...MATRIX, "env", "secrets"],
    file: inJob("container: { image: a, credentials: { password: X } }"),
  },
  {
    key: "jobs.j.container.env.A",
    contexts: [...RUNNER, "secrets"],
    file: inJob("container: { image: a, env: { A: X } }"),
  },
  { key: "jobs.j.container.ports[0]", contexts: MATRIX, file: inJob("container: { image: a, ports: [X] }") },
  { key: "jobs.j.services", contexts: MATRIX, file: inJob("services: X") },
  { key: "jobs.j.services.s.image", contexts: MATRIX, file: inJob("services: { s: { image: X } }") },
  {
    key: "jobs.j.services.s.credentials.username",
    contexts: [...MATRIX, "env", "secrets"],
    file: inJob("services: { s: { image: a, credentials: { username: X } } }"),
  },
  {
    key: "jobs.j.services.s.env.A",
    contexts: [...RUNNER, "secrets"],
    file: inJob("services: { s: { image: a, env: { A: X } } }"),
  },
  { key: "jobs.j.env", contexts: [...MATRIX, "secrets"], file: inJob("env: X") },
  { key: "jobs.j.env.A", contexts: [...MATRIX, "secrets"], file: inJob("env: { A: X }") },
  {
    key: "jobs.j.defaults.run.shell",
    contexts: [...MATRIX, "env"],
    file: inJob("defaults: { run: { shell: X } }"),
  },
  {
    key: "jobs.j.defaults.run.working-directory",
    contexts: [...MATRIX, "env"],
    file: inJob("defaults: { run: { working-directory: X } }"),
  },
  { key: "jobs.j.outputs.a", contexts: STEPS, file: inJob("outputs: { a: X }") },
  { key: "jobs.j.permissions.contents", contexts: [], file: inJob("permissions: { contents: X }") },
  { key: "jobs.j.needs", contexts: [], file: inJob("needs: X") },

  { key: "jobs.j.uses", contexts: [], file: inCall("", "uses: X") },
  { key: "jobs.j.with.a", contexts: MATRIX, file: inCall("with: { a: X }") },
  { key: "jobs.j.secrets.a", contexts: [...MATRIX, "secrets"], file: inCall("secrets: { a: X }") },

  {
    key: "jobs.j.steps[0].if",
    contexts: [...RUNNER, "steps"],
    functions: [...STATUS, ...HASH],
    file: inStep("run: a, if: X"),
  },
  { key: "jobs.j.steps[0].name", contexts: STEPS, functions: HASH, file: inStep("run: a, name: X") },
  { key: "jobs.j.steps[0].run", contexts: STEPS, functions: HASH, file: inStep("run: X") },
  { key: "jobs.j.steps[0].env", contexts: STEPS, functions: HASH, file: inStep("run: a, env: X") },
  { key: "jobs.j.steps[0].env.A", contexts: STEPS, functions: HASH, file: inStep("run: a, env: { A: X }") },
  {
    key: "jobs.j.steps[0].with.a",
    contexts: STEPS,
    functions: HASH,
    file: inStep("uses: a/b@v1, with: { a: X }"),
  },
  {
    key: "jobs.j.steps[0].working-directory",
    contexts: STEPS,
    functions: HASH,
    file: inStep("run: a, working-directory: X"),
  },
  {
    key: "jobs.j.steps[0].timeout-minutes",
    contexts: STEPS,
    functions: HASH,
    file: inStep("run: a, timeout-minutes: X"),
  },
  {
    key: "jobs.j.steps[0].continue-on-error",
    contexts: STEPS,
    functions: HASH,
    file: inStep("run: a, continue-on-error: X"),
  },
  { key: "jobs.j.steps[0].id", contexts: [], file: inStep("run: a, id: X") },
  { key: "jobs.j.steps[0].uses", contexts: [], file: inStep("uses: X") },
  { key: "jobs.j.steps[0].shell", contexts: [], file: inStep("run: a, shell: X") },
];

describe("an expression", () => {
  describe.each(rows)("at $key", (row) => {
    test.each(CONTEXTS.map((context) => [context, row.contexts.includes(context)] as const))(
      "may name %s: %s",
      (context, isAllowed) => {
        const expected = isAllowed ? "read" : refusalOf(row, context);
        expect(verdictOn(row, `fromJSON(toJSON(${context}.a))`, context)).toBe(expected);
      },
    );

    test.each(FUNCTIONS.map((call) => [call, row.functions?.includes(call) === true] as const))(
      "may call %s: %s",
      (call, isAllowed) => {
        expect(verdictOn(row, call, nameIn(call))).toBe(isAllowed ? "read" : refusalOf(row, nameIn(call)));
      },
    );
  });

  describe.each(rows.filter(({ contexts }) => contexts.length > 0))("at $key", (row) => {
    it("may call the general functions", () => {
      const general = "case(contains('a', 'b'), startsWith('a', 'b'), endsWith(join('a'), format('b')))";
      expect(verdictOn(row, general, "case")).toBe("read");
    });

    it("names contexts and functions in any case, and none that is not GitHub's", () => {
      expect(verdictOn(row, "GitHub.actor == ToJSON(INPUTS)", "GitHub")).toBe("read");
      expect(verdictOn(row, "secret.a", "secret")).toBe(refusalOf(row, "secret"));
      expect(verdictOn(row, "now()", "now")).toBe(refusalOf(row, "now"));
    });
  });

  it.each([
    ["jobs.j.if", "always(1)"],
    ["jobs.j.if", "cancelled('a')"],
    ["jobs.j.steps[0].if", "success('a')"],
    ["jobs.j.steps[0].if", "failure('a')"],
    ["jobs.j.steps[0].if", "hashFiles()"],
    ["jobs.j.steps[0].run", "hashFiles()"],
    ["jobs.j.name", "contains('a')"],
  ])("at %s is held to the number of arguments in %s", (key, call) => {
    const row = rows.find((it) => it.key === key);
    if (row === undefined) throw new Error(`no row ${key}`);
    expect(verdictOn(row, call, nameIn(call))).toBe(refusalOf(row, nameIn(call)));
  });
});

/** Where the first error is and whether its message tells the name; GitHub's about places for no expression at all do not. */
function verdictOn(row: Row, expression: string, name: string): string {
  const text = row.file.replace(/\bX\b/, JSON.stringify(`\${{ ${expression} }}`));
  const result = readWorkflow("ci.yml", text);
  if (result.kind === "read") return "read";
  const [error] = result.diagnostics.filter(({ kind }) => kind === "error");
  const isNamed = row.contexts.length === 0 || new RegExp(`[':( ]${name}[' (,]`).test(error?.message ?? "");
  return `${error?.file}:${error?.at?.line}: ${isNamed ? name : error?.message} (${error?.key})`;
}

function refusalOf(row: Row, name: string): string {
  const line = row.file.split("\n").findIndex((it) => /\bX\b/.test(it)) + 1;
  return `ci.yml:${line}: ${name} (${row.key})`;
}

function nameIn(call: string): string {
  return call.slice(0, call.indexOf("("));
}

function atRoot(line: string): string {
  return `on: push\n${line}\njobs: { j: { runs-on: a, steps: [{ run: a }] } }`;
}

function withOn(on: string): string {
  return `on: ${on}\njobs: { j: { runs-on: a, steps: [{ run: a }] } }`;
}

function inJob(line: string, runsOn = "runs-on: a"): string {
  return `on: push\njobs:\n  j:\n    ${runsOn}\n    ${line}\n    steps: [{ run: a }]`;
}

function inCall(line: string, uses = "uses: ./.github/workflows/a.yml"): string {
  return `on: push\njobs:\n  j:\n    ${uses}\n    ${line}`;
}

function inStep(step: string): string {
  return `on: push\njobs:\n  j:\n    runs-on: a\n    steps:\n      - { ${step} }`;
}
