/** YAML as GitHub's reader takes it: every scalar form, anchors, keys, documents, and what it refuses. */
import { describe, expect, it, test } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import type { Template } from "../expression/template.ts";
import { readWorkflow } from "./read-workflow.ts";

describe("a plain scalar", () => {
  test.each<[text: string, value: string | number | boolean | null]>([
    ["null", null],
    ["Null", null],
    ["NULL", null],
    ["~", null],
    ["", null],
    ["nUll", "nUll"],
    ["true", true],
    ["True", true],
    ["TRUE", true],
    ["false", false],
    ["FALSE", false],
    ["tRUE", "tRUE"],
    ["yes", "yes"],
    ["no", "no"],
    ["on", "on"],
    ["off", "off"],
    ["y", "y"],
    ["0", 0],
    ["-0", -0],
    ["12", 12],
    ["+12", 12],
    ["-12", -12],
    ["017", 17],
    ["1_000", "1_000"],
    ["99999999999999999999", 1e20],
    ["0o17", 15],
    ["0o8", "0o8"],
    ["0b11", "0b11"],
    ["0x1F", 31],
    ["0xfG", "0xfG"],
    ["-0x1F", "-0x1F"],
    ["0x7FFFFFFF", 2_147_483_647],
    ["0xFFFFFFFF", -1],
    ["0o37777777777", -1],
    ["1.10", 1.1],
    [".5", 0.5],
    ["5.", 5],
    ["1e3", 1000],
    ["1.e3", 1000],
    ["-1.5E-3", -0.0015],
    ["1e400", Number.POSITIVE_INFINITY],
    [".inf", Number.POSITIVE_INFINITY],
    ["+.Inf", Number.POSITIVE_INFINITY],
    ["-.INF", Number.NEGATIVE_INFINITY],
    [".nan", Number.NaN],
    [".NaN", Number.NaN],
    [".Nan", ".Nan"],
    ["NaN", "NaN"],
    ["Infinity", "Infinity"],
    ["12:30:45", "12:30:45"],
    ["2001-01-01", "2001-01-01"],
    ["a b # comment", "a b"],
    ["a#b", "a#b"],
    ["a\n        b\n\n        c", "a b\nc"],
    ["-x", "-x"],
    ["a: b".replace(": ", ":"), "a:b"],
  ])("%s is %s", (text, value) => {
    expect(scalar(text)).toBe(value);
  });
});

describe("a quoted or block scalar", () => {
  test.each<[text: string, value: string]>([
    ["'true'", "true"],
    ["'it''s'", "it's"],
    [String.raw`'\n'`, String.raw`\n`],
    [String.raw`"a\tb\n\x41\u00e9\U0001F600\\\"\/"`, 'a\tb\nAé😀\\"/'],
    ['"1"', "1"],
    ['""', ""],
    ["'a\n        b\n\n        c'", "a b\nc"],
    ['"a \\\n        b"', "a b"],
    ["|\n        a\n          b\n        c\n", "a\n  b\nc\n"],
    ["|-\n        a\n", "a"],
    ["|+\n        a\n", "a\n\n"],
    ["|2\n          a\n", "  a\n"],
    [">\n        a\n        b\n\n        c\n          d\n        e\n", "a b\nc\n  d\ne\n"],
    [">-\n        a\n        b\n", "a b"],
    ["|\n        12\n", "12\n"],
    ["|\n        # no comment\n", "# no comment\n"],
    ["!!str 12", "12"],
    ["! 12", "12"],
    ["!!str true", "true"],
  ])("%j is the text %j", (text, value) => {
    expect(scalar(text)).toBe(value);
  });

  it("that ends the file without a line end has none, whatever its chomping", () => {
    for (const sign of ["|", "|+", "|-", ">"]) {
      const { workflow } = read(
        `on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: ${sign}\n          one`,
      );
      expect(workflow.jobs[0]).toMatchObject({ steps: [{ run: { value: "one" } }] });
    }
  });

  test.each<[text: string, value: number | boolean | null]>([
    ["!!int 12", 12],
    ["!!float 12", 12],
    ["!!float .inf", Number.POSITIVE_INFINITY],
    ["!!bool True", true],
    ["!!null ~", null],
    ["!<tag:yaml.org,2002:int> 0x10", 16],
  ])("%s is %s by its tag", (text, value) => {
    expect(scalar(text)).toBe(value);
  });
});

describe("anchors and aliases", () => {
  it("stand for what their last anchor before them holds: values, lists, mappings, keys", () => {
    const { workflow } = read(`
on: push
env: &env { A: &a one, *a : two }
jobs:
  x:
    runs-on: &runner [self-hosted, linux]
    env: *env
    steps:
      - &step { run: first, env: { B: *a } }
      - *step
  y:
    runs-on: *runner
    steps:
      - &step { run: second }
      - *step
`);
    expect(workflow.env).toMatchObject({ entries: [{ key: { value: "A" } }, { key: { value: "one" } }] });
    expect(workflow.jobs[0]).toMatchObject({
      env: { entries: [{ value: { value: "one" } }, { value: { value: "two" } }] },
      runsOn: { items: [{ value: "self-hosted" }, { value: "linux" }] },
      steps: [
        { id: "__run", run: { value: "first" }, env: { entries: [{ value: { value: "one" } }] } },
        { id: "__run_2", run: { value: "first" } },
      ],
    });
    expect(workflow.jobs[1]).toMatchObject({
      runsOn: { items: [{ value: "self-hosted" }, { value: "linux" }] },
      steps: [{ run: { value: "second" } }, { run: { value: "second" } }],
    });
  });

  it("may stand for an expression, which is checked where the alias is", () => {
    const text = `
on: push
jobs:
  x:
    runs-on: x
    steps: [{ run: &sha "\${{ steps.a.outputs.b }}" }]
    outputs: { sha: *sha }
    name: *sha
`;
    expect(refusals(text)).toEqual([expect.stringMatching(/Unrecognized named-value: 'steps'.*\(jobs\.x\.name\)$/)]);
  });

  test.each([
    ["an alias to nothing", "a: *b", "The alias '*b' has no anchor before it"],
    ["an alias before its anchor", "a: *b\nc: &b d", "The alias '*b' has no anchor before it"],
    ["an alias in its own anchor", "a: &b { c: *b }", "The alias '*b' contains itself"],
  ])("%s is refused with its place", (_name, text, message) => {
    expect(refusals(text)).toEqual([expect.stringMatching(new RegExp(`^ci.yml:1:\\d+: error: ${escape(message)}`))]);
  });

  it.each([
    ["a job", "jobs:\n  a:\n    <<: *base\n    steps: [{ run: a }]", "Unexpected value '<<' (jobs.a.<<)"],
    [
      "env",
      "jobs:\n  a:\n    runs-on: x\n    env: { <<: *base }\n    steps: [{ run: a }]",
      "A mapping was not expected (jobs.a.env.<<)",
    ],
    [
      "a step",
      "jobs:\n  a:\n    runs-on: x\n    steps: [{ <<: *base, run: a }]",
      "Unexpected value '<<' (jobs.a.steps[0].<<)",
    ],
  ])("are not merged by `<<` in %s, as on GitHub", (_name, jobs, message) => {
    const text = `on: push\nenv: &base { A: b }\n${jobs}`;
    expect(refusals(text)[0]).toMatch(new RegExp(`^ci.yml:\\d+:\\d+: error: ${escape(message)}$`));
  });

  it("are not merged by `<<` under a %YAML directive of 1.1 either, nor is `yes` a boolean there", () => {
    expect(scalar("yes", "%YAML 1.1\n---\n")).toBe("yes");
    const text =
      "%YAML 1.1\n---\non: push\nenv: &base { A: b }\njobs: { a: { runs-on: x, env: { <<: *base }, steps: [{ run: a }] } }";
    expect(refusals(text)).toEqual([expect.stringContaining("A mapping was not expected")]);
  });
});

describe("keys", () => {
  test.each([
    ["of the root", "on: push\non: push\njobs: {}", "'on' is already defined (on)", 2],
    ["of a job", inJob("runs-on: y"), "'runs-on' is already defined (jobs.a.runs-on)", 5],
    [
      "of env, in another case too",
      inJob("env: { PATH: a, path: b }"),
      "'path' is already defined (jobs.a.env.path)",
      5,
    ],
    [
      "of jobs, in another case too",
      `${inJob("name: a")}\n  A: { runs-on: x, steps: [{ run: a }] }`,
      "'A' is already defined (jobs.A)",
      7,
    ],
  ])("%s are given once", (_name, text, message, line) => {
    expect(refusals(text)[0]).toMatch(new RegExp(`^ci.yml:${line}:\\d+: error: ${escape(message)}$`));
  });

  test.each(["Name: a", "Needs: a", "IF: true", "stepS: []"])("are case sensitive: `%s` is none of a job", (line) => {
    expect(refusals(inJob(line))[0]).toContain(`Unexpected value '${line.split(":", 1)[0]}'`);
  });

  it("may be quoted, and numbers and booleans are their text", () => {
    const { workflow } = read(inJob(`"env": { 1: a, 1.50: b, true: c, 'null': d, 0x10: e }`));
    const [job] = workflow.jobs;
    const keys = job?.kind === "steps" && job.env?.kind === "mapping" ? job.env.entries.map(({ key }) => key) : [];
    expect(keys.map((key) => key.kind === "literal" && key.value)).toEqual(["1", "1.5", "true", "null", "16"]);
  });

  test.each(["env: { [a]: b }", "env: { ? { a: b } : c }", "? [a, b]\n    : c"])(
    "that are no text are refused: %s",
    (line) => {
      expect(refusals(inJob(line))[0]).toMatch(/^ci\.yml.* error: /);
    },
  );
});

describe("a file", () => {
  test.each([
    ["with a byte order mark", (text: string) => `\ufeff${text}`],
    ["with CRLF", (text: string) => text.replaceAll("\n", "\r\n")],
    ["that begins with ---", (text: string) => `---\n${text}`],
    ["that ends with ...", (text: string) => `${text}\n...\n`],
    ["with a comment before --- and behind ...", (text: string) => `# a\n---\n${text}\n...\n# b\n`],
    ["in JSON", () => `{"on": "push", "jobs": {"a": {"runs-on": "x", "steps": [{"run": "a"}]}}}`],
    ["with a comment right behind a bracket", (text: string) => text.replace("[{ run: a }]", "[{ run: a }]# b")],
    ["with tabs between tokens", (text: string) => text.replace("on: push", "on:\tpush\t# a")],
    ["with white space at the ends of lines", (text: string) => text.replaceAll("\n", " \t\n")],
  ])("%s is read", (_name, change) => {
    const { workflow } = read(change(inJob("name: a")));
    expect(workflow.jobs[0]).toMatchObject({ id: "a", steps: [{ run: { value: "a" } }] });
  });

  it("with CRLF has scripts with plain line ends", () => {
    const text =
      "on: push\r\njobs:\r\n  a:\r\n    runs-on: x\r\n    steps:\r\n      - run: |\r\n          a\r\n          b\r\n";
    expect(read(text).workflow.jobs[0]).toMatchObject({ steps: [{ run: { value: "a\nb\n" } }] });
  });

  test.each([
    ["that is empty", "", "1:1: error: The file is empty, or comments only"],
    ["of comments only", "# a\n\n  # b\n", "1:1: error: The file is empty, or comments only"],
    ["of white space only", " \n\n", "1:1: error: The file is empty, or comments only"],
    ["of a byte order mark only", "\ufeff", "1:1: error: The file is empty, or comments only"],
    ["that is a text", "workflow", /1:1: error: .*/],
    ["that is a list", "- on: push", /1:1: error: A sequence was not expected/],
    [
      "of two documents",
      `${inJob("name: a")}\n---\nb: c`,
      /7:1: error: A workflow is one YAML document; another begins here/,
    ],
    ["with something behind its end", `${inJob("name: a")}\n...\nb: c`, /:\d+: error: A workflow is one YAML document/],
    ["indented with tabs", "on: push\njobs:\n\ta:\n", /3:1: error: Tabs are not allowed as indentation/],
    ["with a quote left open", `on: "push\njobs: {}`, /2:9: error: Missing closing "quote/],
    ["with a bracket left open", "on: [push\njobs: {}", /error: /],
    ["with an unknown escape", String.raw`on: "\z"`, /1:\d+: error: Invalid escape sequence/],
    ["with a reserved character", "on: @push", /1:5: error: Plain value cannot start with reserved character @/],
    [
      "with a number of more than 32 bits",
      inJob("timeout-minutes: 0x100000000"),
      "5:22: error: The value '0x100000000' on line 5 and column 22 is invalid for the type 'tag:yaml.org,2002:int'",
    ],
    ["with a tag of its own", inJob("name: !secret a"), /5:11: error: Unexpected tag '!secret'/],
    [
      "with a value that is not of its tag",
      inJob("name: !!int a"),
      /5:11: error: The value 'a' on line 5 and column 11 is invalid/,
    ],
    [
      "with a quoted value that its tag makes a number",
      inJob("name: !!int '1'"),
      /The scalar style 'SingleQuoted' on line 5 and column 11/,
    ],
  ])("%s is refused with its place", (_name, text, expected) => {
    expect(refusals(text)[0]).toMatch(expected);
  });

  it("that was not UTF-8 has replacement characters, and is read", () => {
    const text = Buffer.concat([Buffer.from(inJob("name: ")), Buffer.from([0xff, 0xfe])]).toString("utf8");
    expect(() => readWorkflow("ci.yml", text)).not.toThrow();
    expect(read(inJob("name: \ufffd")).workflow.jobs[0]?.name).toMatchObject({ value: "\ufffd" });
  });
});

/** What the text is as an item of a matrix, which takes every type. */
function scalar(text: string, head = ""): unknown {
  const file = `${head}on: push\njobs:\n  a:\n    strategy:\n     matrix:\n      v:\n      - ${text}\n    runs-on: x\n    steps: [{ run: a }]\n`;
  const matrix = read(file).workflow.jobs[0]?.strategy?.matrix;
  const value = matrix?.kind === "mapping" ? matrix.entries[0]?.value : undefined;
  const item: Template | undefined = value?.kind === "sequence" ? value.items[0] : undefined;
  if (item?.kind !== "literal") throw new Error(`${text} is no scalar`);
  return item.value;
}

function inJob(line: string): string {
  return `on: push\njobs:\n  a:\n    runs-on: x\n    ${line}\n    steps: [{ run: a }]`;
}

function read(text: string): Extract<ReturnType<typeof readWorkflow>, { readonly kind: "read" }> {
  const result = readWorkflow("ci.yml", text);
  if (result.kind === "refused") throw new Error(result.diagnostics.map((it) => formatDiagnostic(it)).join("\n"));
  return result;
}

function refusals(text: string): readonly string[] {
  const result = readWorkflow("ci.yml", text);
  return result.kind === "read" ? [] : result.diagnostics.map((it) => formatDiagnostic(it));
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
