import { array, assert, constantFrom, letrec, property, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { readManifest } from "../action/manifest.ts";
import { readWorkflow } from "../workflow/read-workflow.ts";
import type { Finding } from "./finding.ts";
import { lintAction, lintWorkflow } from "./lint-workflow.ts";
import { strictDiagnostics } from "./strict.ts";

function lint(text: string): readonly Finding[] {
  const read = readWorkflow("ci.yml", text);
  if (read.kind === "refused") throw new Error(JSON.stringify(read.diagnostics));
  return lintWorkflow(read.workflow, text);
}

/** `22:9 error template-injection` */
function found(text: string): readonly string[] {
  return lint(text).map(({ at, severity, rule }) => `${at.line}:${at.column} ${severity} ${rule}`);
}

const HEAD = "on: push\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n";

const withCheckout = (on: string, inputs: string): string =>
  `on: ${on}\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    env: { HEAD: "\${{ github.head_ref }}" }\n    steps:\n      - uses: actions/checkout@${"a".repeat(40)}\n        with: { ${inputs} }\n`;

const withSteps = (list: string): string =>
  `on: push\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: ${list}\n`;

const withPermissions = (top: string, job: string): string =>
  `on: push\n${top}jobs:\n  a:\n    runs-on: ubuntu-latest\n${job}    steps: [{ run: x }]\n  b:\n    runs-on: ubuntu-latest\n    permissions: {}\n    steps: [{ run: x }]\n`;

/** The severities that a script with this expression is given. */
function inRun(expression: string, before = HEAD): readonly string[] {
  return found(`${before}      - run: echo "\${{ ${expression} }}"\n`).map((line) =>
    line.split(" ").slice(1).join(" "),
  );
}

describe("template-injection", () => {
  it.each([
    "github.event.issue.title",
    "github.event.issue.body",
    "github.event.pull_request.title",
    "github.event.pull_request.body",
    "github.event.comment.body",
    "github.event.review.body",
    "github.event.discussion.title",
    "github.event.pages.*.page_name",
    "github.event.commits.*.message",
    "github.event.commits[0].author.email",
    "github.event.head_commit.message",
    "github.event.head_commit.author.name",
    "github.event.pull_request.head.ref",
    "github.event.pull_request.head.label",
    "github.event.pull_request.head.repo.default_branch",
    "github.event.workflow_run.head_branch",
    "github.event.workflow_run.head_commit.message",
    "github.event.changes.title.from",
    "github.head_ref",
    "GITHUB['event']['ISSUE'].title",
    "github.event[github.event_name].title",
    "format('{0}', github.head_ref)",
    "toJSON(github)",
    "toJSON(github.event)",
    "toJSON(github.event.pull_request)",
    "join(github.event.commits.*.message, ' ')",
    "github.event_name == 'push' && 'x' || github.head_ref",
  ])("is an error for %s, which a stranger writes", (expression) => {
    expect(inRun(expression)).toEqual(expect.arrayContaining(["error template-injection"]));
  });

  it.each([
    "github.ref_name",
    "github.event.ref",
    "github.event.release.body",
    "github.event.label.name",
    "github.event.client_payload.a.b",
    "toJSON(github.event.client_payload)",
  ])("is a warning for %s, which needs a right to write", (expression) => {
    expect(inRun(expression)).toEqual(["warning template-injection"]);
  });

  it.each([
    "github.sha",
    "github.actor",
    "github.repository",
    "github.event.number",
    "github.event.pull_request.number",
    "github.event.pull_request.head.sha",
    "github.event.pull_request.user.login",
    "github.event.issue.title == 'x'",
    "contains(github.event.issue.title, 'x')",
    "github.event",
    "github.event.issue",
    "github.event.issue.title.x",
    "matrix",
    "runner.os",
    "steps.x.outputs.title",
    "'github.event.issue.title'",
  ])("is not found in %s", (expression) => {
    expect(inRun(expression)).toEqual([]);
  });

  it("stands where the expression does, with its key and what to do", () => {
    const text = `${HEAD}      - run: |\n          echo a\n          echo "\${{ github.sha }} \${{ github.head_ref }}"\n`;
    expect(lint(text)).toEqual([
      {
        rule: "template-injection",
        severity: "error",
        file: "ci.yml",
        at: { line: 9, column: 35 },
        key: "jobs.a.steps[0].run",
        message: "github.head_ref becomes part of the script: any stranger who writes it can add commands to it",
        fix: expect.stringContaining("env:"),
      },
    ]);
  });

  it("is seen in the script of actions/github-script, and nowhere else in with or env", () => {
    const uses = `actions/github-script@${"a".repeat(40)}`;
    const text = `${HEAD}      - uses: ${uses}
        with:
          Script: return "\${{ github.event.issue.title }}"
          other: \${{ github.event.issue.title }}
        env:
          TITLE: \${{ github.event.issue.title }}
      - run: echo "$TITLE"
        name: \${{ github.event.issue.title }}
        env:
          TITLE: \${{ github.event.issue.title }}
`;
    expect(found(text)).toEqual(["9:27 error template-injection"]);
  });

  it("is seen through variables and the matrix, the nearest first", () => {
    const text = `on: issues
permissions: {}
env: { TITLE: "\${{ github.event.issue.title }}", SAFE: x }
jobs:
  a:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        frob: [x, y]
        dynamic: \${{ fromJSON(github.event.client_payload.list) }}
        include: [{ frob: "\${{ github.event.issue.body }}", more: z }]
    steps:
      - run: echo \${{ env.TITLE }} \${{ env.SAFE }} \${{ env.ABSENT }}
      - run: echo \${{ env.TITLE }}
        env: { TITLE: safe }
      - run: echo \${{ env.INNER }}
        env: { INNER: "x \${{ env.title }}" }
      - run: echo \${{ toJSON(env) }}
        env: { OTHER: safe }
      - run: echo \${{ matrix.dynamic }}
      - run: echo \${{ matrix.frob }} \${{ matrix.more }}
`;
    expect(found(text)).toEqual([
      "13:19 error template-injection",
      "16:19 error template-injection",
      "18:19 error template-injection",
      "20:19 warning template-injection",
      "21:19 error template-injection",
    ]);
    expect(lint(text)[0]?.message).toContain("github.event.issue.title, through env.TITLE,");
  });

  it("judges inputs by who gives them and what may stand in them", () => {
    const text = `on:
  workflow_dispatch:
    inputs: { text: { type: string }, untyped: {}, pick: { type: choice, options: [a] }, flag: { type: boolean } }
  workflow_call:
    inputs: { given: { type: string }, count: { type: number } }
permissions: {}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo \${{ inputs.text }}
      - run: echo \${{ inputs.UNTYPED }}
      - run: echo \${{ github.event.inputs.text }}
      - run: echo \${{ inputs.pick }} \${{ inputs.flag }} \${{ inputs.count }} \${{ inputs.absent }}
      - run: echo \${{ inputs.given }}
      - run: echo '\${{ toJSON(inputs) }}'
`;
    expect(found(text)).toEqual([
      "11:19 warning template-injection",
      "12:19 warning template-injection",
      "13:19 warning template-injection",
      "15:19 note template-injection",
      "16:20 warning template-injection",
    ]);
  });

  it("finds nothing in an expression that reads nothing that others write", () => {
    const harmless = [
      "github.sha",
      "github.run_id",
      "github.event.number",
      "github.event.repository.id",
      "github['actor']",
      "runner.temp",
      "matrix.os",
      "job.status",
      "steps.a.outputs.b",
      "'github.head_ref'",
      "1",
      "true",
    ];
    const { expression } = letrec((tie) => ({
      expression: tie("call").chain((call) => constantFrom(call, ...harmless)),
      call: tuple(
        constantFrom("format('{0}{1}', A, B)", "(A || B)", "(A && B)", "A == B", "toJSON(A)", "!A", "join(A, B)"),
        constantFrom(...harmless),
        constantFrom(...harmless),
      ).map(([shape, a, b]) => shape.replace("A", a).replace("B", b)),
    }));
    assert(
      property(array(expression, { minLength: 1, maxLength: 5 }), (expressions) => {
        const text = expressions.map((one) => `\${{ ${String(one)} }}`).join(" ");
        expect(found(`${HEAD}      - run: |\n          echo ${text}\n`)).toEqual([]);
      }),
    );
  });
});

describe("dangerous-triggers", () => {
  it.each([
    ["pull_request_target", "ref: '${{ github.event.pull_request.head.sha }}'"],
    ["pull_request_target", "ref: '${{ github.head_ref }}'"],
    ["pull_request_target", "ref: '${{ env.HEAD }}'"],
    ["pull_request_target", "repository: '${{ github.event.pull_request.head.repo.full_name }}'"],
    ["pull_request_target", "ref: 'refs/pull/${{ github.event.number }}/merge'"],
    ["pull_request_target", "ref: '${{ github.event.pull_request.merge_commit_sha }}'"],
    ["{ workflow_run: { workflows: [x] } }", "ref: '${{ github.event.workflow_run.head_sha }}'"],
    ["issue_comment", "ref: 'refs/pull/${{ github.event.issue.number }}/head'"],
    ["[push, pull_request_target]", "ref: '${{ github.event.pull_request.head.ref || github.ref }}'"],
  ])("is an error where %s checks out %s", (on, inputs) => {
    expect(found(withCheckout(on, inputs)).map((line) => line.split(" ").slice(1).join(" "))).toEqual([
      "error dangerous-triggers",
    ]);
  });

  it.each([
    ["pull_request", "ref: '${{ github.event.pull_request.head.sha }}'"],
    ["push", "ref: '${{ github.head_ref }}'"],
    ["issue_comment", "ref: main"],
    ["issue_comment", "fetch-depth: '${{ github.event.issue.number }}'"],
  ])("is not found where %s checks out %s", (on, inputs) => {
    expect(found(withCheckout(on, inputs))).toEqual([]);
  });

  it("is a note where nothing of the stranger's is checked out", () => {
    const base = withCheckout("[push, pull_request_target]", "ref: '${{ github.event.pull_request.base.sha }}'");
    expect(found(base)).toEqual(["1:12 note dangerous-triggers"]);
  });
});

describe("the other rules", () => {
  const sha = "a".repeat(40);

  it.each([
    ["octo/act@v1", "warning"],
    [`octo/act@${sha.slice(1)}`, "warning"],
    ["octo/act/sub@main", "warning"],
    ["actions/checkout@v4", "note"],
    ["GitHub/codeql-action/init@v3", "note"],
    ["docker://alpine", "warning"],
    ["docker://alpine:3.20", "warning"],
  ])("unpinned-uses is a finding for %s (%s)", (uses, severity) => {
    expect(found(withSteps(`[{ uses: "${uses}" }]`))).toEqual([`6:21 ${severity} unpinned-uses`]);
  });

  it.each([
    `octo/act@${sha}`,
    `octo/act/sub@${sha.toUpperCase()}`,
    "./local",
    `docker://alpine@sha256:${"b".repeat(64)}`,
  ])("unpinned-uses finds nothing in %s", (uses) => {
    expect(found(withSteps(`[{ uses: "${uses}" }]`))).toEqual([]);
  });

  it("unpinned-uses and secrets-inherit look at calls of workflows", () => {
    const text = `on: push
permissions: {}
jobs:
  a:
    uses: octo/w/.github/workflows/x.yml@v1
    secrets: inherit
  b:
    uses: ./.github/workflows/x.yml
    secrets: inherit
  c:
    uses: ./.github/workflows/x.yml
    secrets: { A: "\${{ secrets.A }}" }
`;
    expect(found(text)).toEqual([
      "5:11 warning unpinned-uses",
      "6:5 warning secrets-inherit",
      "9:5 note secrets-inherit",
    ]);
  });

  it("secrets-in-run is found directly, whole, and through variables, and not in env", () => {
    expect(inRun("secrets.KEY")).toEqual(["warning secrets-in-run"]);
    expect(inRun("secrets['key'] || 'x'")).toEqual(["warning secrets-in-run"]);
    expect(inRun("toJSON(secrets)")).toEqual(["warning secrets-in-run"]);
    expect(inRun("secrets.GITHUB_TOKEN")).toEqual(["note secrets-in-run"]);
    expect(inRun("github.token")).toEqual(["note secrets-in-run"]);
    expect(inRun("secrets.KEY != ''")).toEqual([]);
    const through = `[{ run: "echo \${{ env.K }}", env: { K: "\${{ secrets.K }}" } }]`;
    expect(found(withSteps(through))).toEqual(["6:26 warning secrets-in-run"]);
    expect(found(withSteps(`[{ run: "echo $K", env: { K: "\${{ secrets.K }}" } }]`))).toEqual([]);
  });

  it("excessive-permissions is found where everything may be written, at the workflow and at a job", () => {
    expect(found(withPermissions("permissions: write-all\n", ""))).toEqual(["2:1 warning excessive-permissions"]);
    expect(found(withPermissions("permissions: read-all\n", ""))).toEqual(["2:1 note excessive-permissions"]);
    expect(found(withPermissions("permissions: { contents: write }\n", ""))).toEqual([
      "2:1 note excessive-permissions",
    ]);
    expect(found(withPermissions("permissions: { contents: read }\n", ""))).toEqual([]);
    expect(found(withPermissions("", ""))).toEqual(["2:1 note excessive-permissions"]);
    expect(found(withPermissions("", "    permissions: { contents: write }\n"))).toEqual([]);
    expect(found(withPermissions("", "    permissions: write-all\n"))).toEqual(["5:5 warning excessive-permissions"]);
    expect(found(withPermissions("", "").replace("on: push", "on: workflow_call"))).toEqual([]);
  });

  it("insecure-commands is found at every level", () => {
    const text = `on: push
permissions: {}
env: { ACTIONS_ALLOW_UNSECURE_COMMANDS: true }
jobs:
  a:
    runs-on: ubuntu-latest
    env: { ACTIONS_ALLOW_UNSECURE_COMMANDS: "true" }
    steps:
      - run: x
        env: { ACTIONS_ALLOW_UNSECURE_COMMANDS: "\${{ inputs.x }}" }
      - run: x
        env: { ACTIONS_ALLOW_UNSECURE_COMMANDS: false }
`;
    expect(found(text)).toEqual([
      "3:8 warning insecure-commands",
      "7:12 warning insecure-commands",
      "10:16 warning insecure-commands",
    ]);
  });
});

describe("a comment", () => {
  it.each([
    ["      - uses: octo/act@v1 # hearth: ignore[unpinned-uses]\n"],
    ["      - uses: octo/act@v1 # zizmor: ignore[unpinned-uses]\n"],
    ["      # hearth: ignore[template-injection, unpinned-uses] because\n      - uses: octo/act@v1\n"],
    ["      - run: | # zizmor: ignore[template-injection]\n          echo a\n          echo ${{ github.head_ref }}\n"],
    ["      - run: |\n          echo ${{ github.head_ref }} # hearth: ignore[template-injection]\n"],
  ])("silences one finding: %j", (step) => {
    expect(found(`${HEAD}${step}`)).toEqual([]);
  });

  it.each([
    ["      - uses: octo/act@v1 # hearth: ignore[template-injection]\n"],
    ["      - uses: octo/act@v1 # hearth: ignore[]\n"],
    ["      - uses: octo/act@v1 # hearth: ignore\n"],
    ["      # hearth: ignore[unpinned-uses]\n      - name: x\n        uses: octo/act@v1\n"],
    [`      - uses: octo/act@${"a".repeat(40)} # hearth: ignore[unpinned-uses]\n      - uses: octo/act@v1\n`],
  ])("that names another rule or stands elsewhere does not: %j", (step) => {
    expect(found(`${HEAD}${step}`).map((line) => line.split(" ")[2])).toEqual(["unpinned-uses"]);
  });
});

describe("a composite action", () => {
  it("is looked at like a job, and all its inputs are text of its caller", () => {
    const text = `name: x
inputs: { Title: {}, other: {} }
runs:
  using: composite
  steps:
    - run: echo "\${{ inputs.title }} \${{ github.head_ref }}"
      shell: bash
    - uses: octo/act@v1
`;
    const read = readManifest(".github/actions/x/action.yml", text);
    if (read.kind === "refused") throw new Error(JSON.stringify(read.diagnostics));
    const findings = lintAction(".github/actions/x/action.yml", read.manifest, text);
    expect(findings.map(({ at, severity, rule, key }) => [at.line, severity, rule, key])).toEqual([
      [6, "note", "template-injection", "runs.steps[0].run"],
      [6, "error", "template-injection", "runs.steps[0].run"],
      [8, "warning", "unpinned-uses", "runs.steps[1].uses"],
    ]);
  });
});

describe("strict", () => {
  it("makes diagnostics of the errors, with a code that scripts can look for", () => {
    const text = `on: pull_request_target
permissions: {}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { ref: "\${{ github.event.pull_request.head.sha }}" }
      - run: echo \${{ github.event.pull_request.title }}
`;
    const codes = strictDiagnostics(lint(text)).map(({ kind, at, message }) => [kind, at?.line, message.split(":")[0]]);
    expect(codes).toEqual([
      ["error", 8, "E_PWN_REQUEST"],
      ["error", 9, "E_UNTRUSTED_EXPR"],
    ]);
  });
});

describe("a hostile file", () => {
  it("costs no more than its length: many expressions over many variables", () => {
    const variables = Array.from(
      { length: 3_000 },
      (_, i) => `  V${i}: \${{ github.event.client_payload.v${i} }}\n`,
    ).join("");
    const steps = Array.from({ length: 900 }, () => "      - run: echo ${{ toJSON(env) }} ${{ env.V2999 }}\n").join("");
    const text = `on: push\npermissions: {}\nenv:\n${variables}jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n${steps}`;
    const startedAt = performance.now();
    expect(lint(text).length).toBeGreaterThan(900);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
