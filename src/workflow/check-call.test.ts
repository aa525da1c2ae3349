import { describe, expect, it, test } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { checkCall, checkCallPermissions } from "./check-call.ts";
import { readWorkflow } from "./read-workflow.ts";
import type { CallJob, Workflow } from "./workflow.ts";

const CALLED = `
on:
  workflow_call:
    inputs:
      flag: { type: boolean }
      count: { type: number }
      text: { type: string, required: true }
      wrong: { type: string, default: 1.50 }
    secrets:
      key: { required: true }
      other:
jobs:
  inner: { runs-on: x, steps: [{ run: a }] }
`;

describe("a call", () => {
  test.each<[name: string, call: string]>([
    ["that gives what is asked for", "with: { text: a }\n    secrets: { key: a }"],
    ["in any case", "with: { TEXT: a, Flag: true }\n    secrets: { KEY: a }"],
    ["with values of the types", "with: { text: a, flag: false, count: 1.5 }\n    secrets: inherit"],
    ["with any scalar for a text", "with: { text: true, wrong: 12 }\n    secrets: inherit"],
    [
      "with expressions, known later",
      "with: { text: '${{ github.sha }}', flag: '${{ vars.A }}' }\n    secrets: inherit",
    ],
  ])("%s is allowed", (_name, call) => {
    expect(faults(CALLED, call)).toEqual([]);
  });

  test.each<[name: string, call: string, expected: readonly string[]]>([
    [
      "without what is required",
      "name: a",
      [
        "ci.yml:4:11: error: Input text is required, but not provided while calling. (jobs.call.uses)",
        "ci.yml:4:11: error: Secret key is required, but not provided while calling. (jobs.call.uses)",
      ],
    ],
    [
      "with what the workflow does not know",
      "with: { text: a, txt: b }\n    secrets: { key: a, kee: b }",
      [
        "ci.yml:5:27: error: Invalid input, txt is not defined in the referenced workflow. (jobs.call.with.txt)",
        "ci.yml:6:29: error: Invalid secret, kee is not defined in the referenced workflow. (jobs.call.secrets.kee)",
      ],
    ],
    [
      "with a boolean and a number in quotes, and an empty one",
      "with: { text: a, flag: 'true', count: '1' }\n    secrets: inherit",
      [
        "ci.yml:5:28: error: Unexpected value 'true' (jobs.call.with.flag)",
        "ci.yml:5:43: error: Unexpected value '1' (jobs.call.with.count)",
      ],
    ],
    [
      "with a number for a boolean, and nothing for a number",
      "with: { text: a, flag: 1e20, count: }\n    secrets: inherit",
      [
        "ci.yml:5:28: error: Unexpected value '1E+20' (jobs.call.with.flag)",
        expect.stringMatching(/Unexpected value '' \(jobs\.call\.with\.count\)$/),
      ],
    ],
  ])("%s is refused with places", (_name, call, expected) => {
    expect(faults(CALLED, call)).toEqual(expected);
  });

  it("of a workflow that has wrong defaults is refused with their places in its file", () => {
    const called = CALLED.replace("flag: { type: boolean }", "flag: { type: boolean, default: 'false' }");
    expect(faults(called, "with: { text: a }\n    secrets: inherit")).toEqual([
      "called.yml:5:39: error: Unexpected value 'false' (on.workflow_call.inputs.flag.default)",
    ]);
  });

  it("of a workflow that cannot be called is refused", () => {
    expect(faults(CALLED.replace(/on:[^]*jobs:/, "on: push\njobs:"), "name: a")).toEqual([
      "ci.yml:4:11: error: workflow_call key is not defined in the referenced workflow. (jobs.call.uses)",
    ]);
  });

  it("of a workflow with a job that has no steps is refused", () => {
    const called = `${CALLED}  idle: { runs-on: x }\n  empty: { runs-on: x, steps: [] }\n`;
    expect(faults(called, "with: { text: a }\n    secrets: inherit")).toEqual(
      [14, 15].map((line) =>
        expect.stringMatching(
          new RegExp(`^called.yml:${line}:3: error: No steps defined in \`steps\` and no workflow called in \`uses\``),
        ),
      ),
    );
  });
});

describe("permissions of a call", () => {
  test.each<[name: string, caller: string, called: string]>([
    ["may be what its job has", "{ issues: write }", "{ issues: write }"],
    ["may be less", "write-all", "{ issues: read, id-token: write }"],
    ["may be what every token has by default", "", "{ contents: read, packages: read }"],
    ["may be nothing", "{}", "{}"],
    ["may be left to the caller", "{ issues: write }", ""],
  ])("%s", (_name, caller, called) => {
    expect(permissionFaults({ caller, called })).toEqual([]);
    expect(permissionFaults({ caller, inner: called })).toEqual([]);
  });

  test.each<[name: string, caller: string, asked: string, excess: string, allowed: string]>([
    [
      "beyond the default",
      "",
      "{ contents: write, id-token: write }",
      "contents: write, id-token: write",
      "contents: read, id-token: none",
    ],
    [
      "beyond the caller's",
      "{ issues: read }",
      "{ issues: write, checks: read }",
      "checks: read, issues: write",
      "checks: none, issues: read",
    ],
  ])("%s are refused, of the workflow and of its jobs", (_name, caller, asked, excess, allowed) => {
    const message = (who: string): string =>
      `ci.yml:4:3: error: Error calling workflow './.github/workflows/a.yml'. ${who} is requesting '${excess}', but is only allowed '${allowed}'. (jobs.call)`;
    expect(permissionFaults({ caller, called: asked })).toEqual([message("The workflow './.github/workflows/a.yml'")]);
    expect(permissionFaults({ caller, inner: asked })).toEqual([message("The nested job 'inner'")]);
  });

  it("beyond what a level above the caller allows are refused", () => {
    const [outer, middle] = [callerWith("{ contents: read }"), callerWith("")];
    const called = workflow("a.yml", calledWith({ inner: "{ contents: write }" }));
    const chain = [outer, middle].map((it) => ({ workflow: it, job: callOf(it) }));
    expect(checkCallPermissions({ file: "ci.yml", job: callOf(middle), called }, chain)).toMatchObject([
      { message: expect.stringContaining("requesting 'contents: write', but is only allowed 'contents: read'") },
    ]);
  });

  it("are those of a permissive repository where its owner says so", () => {
    const caller = callerWith("");
    const called = workflow("a.yml", calledWith({ inner: "{ contents: write }" }));
    const call = { file: "ci.yml", job: callOf(caller), called };
    expect(checkCallPermissions(call, [{ workflow: caller, job: callOf(caller) }], "permissive")).toEqual([]);
  });
});

function faults(called: string, call: string): readonly string[] {
  const caller = workflow("ci.yml", `on: push\njobs:\n  call:\n    uses: ./.github/workflows/a.yml\n    ${call}`);
  return checkCall("ci.yml", callOf(caller), workflow("called.yml", called)).map((it) => formatDiagnostic(it));
}

interface Asked {
  readonly caller: string;
  readonly called?: string;
  readonly inner?: string;
}

function permissionFaults({ caller, called = "", inner = "" }: Asked): readonly string[] {
  const outer = callerWith(caller);
  const job = callOf(outer);
  const call = { file: "ci.yml", job, called: workflow("a.yml", calledWith({ called, inner })) };
  return checkCallPermissions(call, [{ workflow: outer, job }]).map((it) => formatDiagnostic(it));
}

function callerWith(permissions: string): Workflow {
  return workflow("ci.yml", `on: push\n${line(permissions)}\njobs:\n  call:\n    uses: ./.github/workflows/a.yml`);
}

function calledWith({ called = "", inner = "" }: Partial<Asked>): string {
  return `on: workflow_call\n${line(called)}\njobs:\n  inner:\n    runs-on: x\n    ${line(inner)}\n    steps: [{ run: a }]`;
}

function line(permissions: string): string {
  return permissions === "" ? "" : `permissions: ${permissions}`;
}

function callOf({ jobs }: Workflow): CallJob {
  const [job] = jobs;
  if (job?.kind !== "call") throw new Error("no call");
  return job;
}

function workflow(path: string, text: string): Workflow {
  const result = readWorkflow(path, text);
  if (result.kind === "refused") throw new Error(result.diagnostics.map((it) => formatDiagnostic(it)).join("\n"));
  return result.workflow;
}
