/**
 * A12: text of strangers near a shell. An expression in a script is text in the script, as on GitHub, and lint says so; everything
 * that the engine itself puts together (script files, argument vectors, environments, requests to the agent) keeps every byte.
 */
import { array, assert, asyncProperty, dictionary, oneof, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { inputVariables } from "../../src/engine/action-inputs.ts";
import { parseKeyValueFile } from "../../src/engine/command-file.ts";
import { resolveShell } from "../../src/engine/shell.ts";
import { stepEnvironment } from "../../src/engine/step-environment.ts";
import { lintWorkflow } from "../../src/lint/lint-workflow.ts";
import { ExecRequest } from "../../src/protocol/agent-api.ts";
import { readWorkflow } from "../../src/workflow/read-workflow.ts";
import { runYaml } from "../run-yaml.ts";

const RUNS = 20_000;
const SHELL_RUNS = 200;

/** What a process can be given: no NUL, and nothing that UTF-8 cannot say. */
const text = oneof(
  string({ unit: "binary", maxLength: 40 }),
  string({ unit: "grapheme-composite", maxLength: 40 }),
  array(string({ unit: "binary", maxLength: 3 }), { maxLength: 8 }).map((parts) =>
    parts
      .map(
        (part, index) =>
          `${["$(", "`", "'", '"', "${IFS}", ";", "\n", "\\", "${{ x }}", "{0}", "%s", "!!", "\r\n"][index % 13]}${part}`,
      )
      .join(""),
  ),
).map((value) => value.replaceAll("\0", ""));

describe("what the engine builds for a process", () => {
  it.each(["bash", "sh", "python", undefined])("keeps every byte of a script for %s", (name) => {
    const shell = resolveShell(name);
    if (shell.kind === "refused") throw new Error(shell.message);
    assert(
      property(text, (script) => shell.prepare(script) === script),
      { numRuns: RUNS },
    );
    expect(shell.argv("/tmp/x.sh").filter((argument) => argument.includes("/tmp/x.sh"))).toEqual(["/tmp/x.sh"]);
  });

  it("keeps every byte of the variables of a step", () => {
    assert(
      property(dictionary(text, text, { noNullPrototype: false }), (env) => {
        const layers = { machine: {}, env, action: {}, path: [], variables: {} };
        const { GITHUB_ACTIONS, CI, ...rest } = stepEnvironment(layers);
        expect(GITHUB_ACTIONS).toBe("true");
        expect(CI).toBe(Object.hasOwn(env, "CI") ? env["CI"] : "true");
        const own = Object.entries(env).filter(([key]) => key !== "GITHUB_ACTIONS" && key !== "CI");
        expect(Object.entries(rest)).toEqual(own);
      }),
      { numRuns: RUNS / 4 },
    );
  });

  it("keeps every byte of an action's inputs", () => {
    assert(
      property(text, (value) => inputVariables({ name: value })["INPUT_NAME"] === value),
      { numRuns: RUNS },
    );
  });

  it("keeps every byte of a request on its way to the agent", () => {
    assert(
      property(array(text, { minLength: 1, maxLength: 6 }), dictionary(text, text), text, (argv, env, content) => {
        const write = [{ path: content, content, mode: 0o644 }];
        const request = { id: "a", argv, env: { ...env }, cwd: content, user: "runner", write, read: [] };
        expect(ExecRequest.parse(JSON.parse(JSON.stringify(request)))).toEqual(request);
      }),
      { numRuns: RUNS / 4 },
    );
  });

  it("keeps every name of a variable on its way to the agent", () => {
    const names = ["__proto__", "constructor", "toString", "a b", "é", ""];
    const env = `{${names.map((name) => `${JSON.stringify(name)}: "value"`).join(", ")}}`;
    const text = `{"id": "a", "argv": ["x"], "env": ${env}, "cwd": "/", "user": "runner", "write": [], "read": []}`;
    expect(Object.keys(ExecRequest.parse(JSON.parse(text)).env).toSorted()).toEqual(names.toSorted());
    for (const wrong of ['["x"]', '{"a": 1}', "null", '"x"', "[]"]) {
      expect(() => ExecRequest.parse(JSON.parse(text.replace(env, wrong)))).toThrow("expected texts by name");
    }
  });

  it("keeps every byte of a value between its delimiters in a command file", () => {
    assert(
      property(text, (value) => {
        const { pairs, problem } = parseKeyValueFile(Buffer.from(`name<<end-of-value\n${value}\nend-of-value\n`));
        expect([pairs, problem]).toEqual([[["name", value.replace(/^\ufeff/, "")]], undefined]);
      }),
      { numRuns: RUNS },
    );
  });
});

describe("what a real shell is given", () => {
  it("is byte for byte what the workflow says: scripts, and variables", async () => {
    await assert(
      asyncProperty(array(text, { minLength: 10, maxLength: 10 }), async (values) => {
        const steps = values.map((value) => ({
          // The shell reads no further than `exit`; what follows is only there to be counted.
          run: `base64 -w0 "$0"; echo; printf %s "$VALUE" | base64 -w0; echo; exit 0\n${withoutExpressions(value)}`,
          env: { VALUE: withoutExpressions(value) },
        }));
        const workflow = { on: "push", jobs: { a: { "runs-on": "ubuntu-latest", steps } } };
        const run = await runYaml(JSON.stringify(workflow));
        const seen = run.lines.map((line) => Buffer.from(line, "base64").toString("utf8"));
        expect(seen).toEqual(steps.flatMap(({ run: script, env }) => [script, env.VALUE]));
      }),
      { numRuns: SHELL_RUNS / 10 },
    );
  }, 60_000);

  it("is never asked about a variable that no process can have", async () => {
    const run = await runYaml(
      JSON.stringify({
        on: "push",
        jobs: { a: { "runs-on": "ubuntu-latest", steps: [{ run: "echo reached", env: { A: "a\0b" } }] } },
      }),
    );
    expect(run.conclusions).toEqual({ a: "failure" });
    expect(run.lines).not.toContain("reached");
  });
});

/** GitHub's own syntax in a value is not what is tested here. */
function withoutExpressions(value: string): string {
  return value.replaceAll("${{", "$ {");
}

function injectionsIn(step: string): number {
  const yaml = `on: [push, issues, pull_request]\njobs: {a: {runs-on: x, steps: [${step}]}}`;
  const found = readWorkflow("a.yml", yaml);
  if (found.kind === "refused") throw new Error(found.diagnostics[0]?.message);
  return lintWorkflow(found.workflow, yaml).filter(({ rule }) => rule === "template-injection").length;
}

const TITLES = [
  '"; touch pwned; "',
  'zzz";echo${IFS}"hello";#',
  "$(touch pwned)",
  "`touch pwned`",
  "'\ntouch pwned\n'",
];

describe("text of a stranger in a script", () => {
  it.each(TITLES)("%j is program text, as on GitHub, and lint says so with its place", (title) => {
    const script = 'echo "${{ github.event.pull_request.title }}"';
    const yaml = `on: pull_request\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ${script}\n`;
    const read = readWorkflow("title.yml", yaml);
    if (read.kind === "refused") throw new Error("refused");
    expect(lintWorkflow(read.workflow, yaml)).toContainEqual(
      expect.objectContaining({
        rule: "template-injection",
        severity: "error",
        at: expect.objectContaining({ line: 6 }),
      }),
    );
    expect(title).not.toBe("");
  });

  it.each([
    "github.head_ref",
    "github.event.issue.body",
    "github.event.commits[0].message",
    "github.event.pages[0].page_name",
  ])("by %s is found, and given by env: it is not", (read) => {
    expect(injectionsIn(`{run: "echo \${{ ${read} }}"}`)).toBe(1);
    expect(injectionsIn(`{run: 'echo "$TEXT"', env: {TEXT: "\${{ ${read} }}"}}`)).toBe(0);
  });

  it.each(TITLES)("%j runs where the script holds it, and does not where a variable does", async (title) => {
    const steps = [
      {
        id: "text",
        run: `cat > text <<'end of text'\n${title}\nend of text\nprintf 'title<<EOT\\n%s\\nEOT\\n' "$(cat text)" >> "$GITHUB_OUTPUT"`,
      },
      { run: 'echo "$TITLE" > /dev/null; ls', env: { TITLE: "${{ steps.text.outputs.title }}" } },
    ];
    const run = await runYaml(JSON.stringify({ on: "push", jobs: { a: { "runs-on": "ubuntu-latest", steps } } }));
    expect(run.conclusions).toEqual({ a: "success" });
    expect(run.lines).toContain("text");
    expect(run.lines).not.toContain("pwned");
    const unsafe = [steps[0], { run: 'echo "${{ steps.text.outputs.title }}"; ls' }];
    const other = await runYaml(
      JSON.stringify({ on: "push", jobs: { a: { "runs-on": "ubuntu-latest", steps: unsafe } } }),
    );
    const ran = other.lines.includes("pwned") || other.lines.includes("hello");
    expect([title, ran || other.conclusions["a"] === "failure" || title.startsWith("'")]).toEqual([title, true]);
  });
});
