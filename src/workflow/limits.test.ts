/** Each limit of a file accepts its number and refuses one more, with file, line where there is one, and key. */
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { READ_LIMITS, type ReadLimits } from "./limits.ts";
import { readWorkflow } from "./read-workflow.ts";

interface Limit {
  readonly name: string;
  readonly most: number;
  /** What it is counted in. */
  readonly unit?: number;
  /** A workflow that comes to this much. */
  readonly text: (amount: number) => string;
  readonly refusal: {
    readonly message: string;
    readonly at?: { readonly line: number };
    readonly key?: string;
  };
}

const HEAD = "on: push\njobs:\n  a:\n    runs-on: x\n";

const limits: readonly Limit[] = [
  {
    name: "characters",
    most: 1_048_576,
    text: (amount) => `${HEAD}    steps: [{ run: a }]\n# `.padEnd(amount, "é"),
    refusal: { message: "The maximum file size of 1048576 characters has been exceeded" },
  },
  {
    name: "mappings and sequences in one another",
    most: 50,
    text: (amount) => matrixOf(nested("1", amount - VALUE_DEPTH)),
    refusal: { message: "Maximum object depth exceeded", at: { line: 6 } },
  },
  {
    name: "mappings and sequences in one another, the last of them behind an alias",
    most: 50,
    text: (amount) => matrixOf(nested("*a", amount - VALUE_DEPTH - 1), "[b]"),
    refusal: { message: "Maximum object depth exceeded", at: { line: 6 } },
  },
  {
    name: "YAML nodes, mappings and sequences counted twice",
    most: 50_000,
    text: (amount) => matrixOf(list("1", amount - nodesOf(matrixOf("")))),
    refusal: { message: "Maximum YAML nodes exceeded: more than 50000", at: { line: 6 } },
  },
  {
    name: "YAML nodes, aliases followed",
    most: 50_000,
    text: (amount) => {
      const anchor = nested(list("1", 98), 1);
      const rest = amount - nodesOf(matrixOf("", anchor));
      return matrixOf([list("*a", Math.floor(rest / 100)), list("1", rest % 100)].filter(Boolean).join(","), anchor);
    },
    refusal: { message: "Maximum YAML nodes exceeded: more than 50000", at: { line: 6 } },
  },
  {
    name: "aliases",
    most: 1_000,
    text: (amount) => matrixOf(list("*a", amount)),
    refusal: { message: "More than 1000 aliases", at: { line: 6 } },
  },
  {
    name: "bytes that the values come to",
    most: 10 * 1_048_576,
    unit: 2,
    text: (amount) => {
      const aliases = list("*a", 10); // eleven times the same text, with the one that has the anchor
      const length = Math.floor((amount - sizeOf(matrixOf(aliases, "x"))) / 22);
      const text = matrixOf(aliases, "x".repeat(length));
      return text.replace("runs-on: x", `runs-on: ${"x".repeat(1 + (amount - sizeOf(text)) / 2)}`);
    },
    refusal: { message: "Maximum object size exceeded", at: { line: 6 } },
  },
  {
    name: "steps of a job",
    most: 1_000,
    text: (amount) => `${HEAD}    steps:\n${"      - run: a\n".repeat(amount)}`,
    refusal: { message: "Job 'a' has 1001 steps; at most 1000 are allowed", at: { line: 6 }, key: "jobs.a.steps" },
  },
  {
    name: "characters of an expression",
    most: 21_000,
    text: (amount) => `${HEAD}    name: \${{ '${"x".repeat(amount - 2)}' }}\n    steps: [{ run: a }]\n`,
    refusal: { message: "Exceeded max expression length 21000", at: { line: 5 }, key: "jobs.a.name" },
  },
  {
    name: "expressions in one another",
    most: 50,
    text: (amount) =>
      `${HEAD}    name: \${{ ${"(".repeat(amount - 1)}1${")".repeat(amount - 1)} }}\n    steps: [{ run: a }]\n`,
    refusal: { message: "Exceeded max expression depth 50", at: { line: 5 }, key: "jobs.a.name" },
  },
  {
    name: "inputs of a dispatch",
    most: 25,
    text: (amount) => {
      const inputs = Array.from({ length: amount }, (_, index) => `      i${index}:\n`);
      return `on:\n  workflow_dispatch:\n    inputs:\n${inputs.join("")}${HEAD.slice("on: push\n".length)}    steps: [{ run: a }]\n`;
    },
    refusal: {
      message: "you may only define up to 25 `inputs` for a `workflow_dispatch` event",
      at: { line: 4 },
      key: "on.workflow_dispatch.inputs",
    },
  },
  {
    name: "characters of a concurrency group",
    most: 400,
    text: (amount) => `${HEAD}    concurrency: ${"x".repeat(amount)}\n    steps: [{ run: a }]\n`,
    refusal: {
      message: "Concurrency group name must be less than 400 characters",
      at: { line: 5 },
      key: "jobs.a.concurrency",
    },
  },
  {
    name: "characters of a job's id",
    most: 99,
    text: (amount) => `${HEAD.replace("a:", `${"a".repeat(amount)}:`)}    steps: [{ run: a }]\n`,
    refusal: {
      message: `The identifier '${"a".repeat(100)}' is invalid. IDs may only contain alphanumeric characters, '_', and '-'. IDs must start with a letter or '_' and and must be less than 100 characters.`,
      at: { line: 3 },
      key: `jobs.${"a".repeat(100)}`,
    },
  },
];

describe.each(limits)("at most $most $name", ({ most, unit = 1, text, refusal }) => {
  it("are read", () => {
    expect(errorsOf(text(most))).toEqual([]);
  });

  it("and not one more", () => {
    expect(errorsOf(text(most + unit))[0]).toMatchObject({ kind: "error", file: "ci.yml", ...refusal });
  });
});

describe("limits", () => {
  it("may be set for a file", () => {
    const text = `${HEAD}    steps: [{ run: a }]`;
    const refused = (limit: Partial<ReadLimits>): unknown => errorsOf(text, { ...READ_LIMITS, ...limit })[0]?.message;
    expect(refused({ characters: text.length, depth: 5, sizeBytes: sizeOf(text) })).toBeUndefined();
    expect(refused({ characters: text.length - 1 })).toMatch(
      /^The maximum file size of \d+ characters has been exceeded$/,
    );
    expect(refused({ depth: 4 })).toBe("Maximum object depth exceeded");
    expect(refused({ sizeBytes: sizeOf(text) - 1 })).toBe("Maximum object size exceeded");
  });

  it("on the nesting of a text keep what is far beyond them from the parser, ten times over, in no time", () => {
    const startedAt = performance.now();
    for (let i = 0; i < 10; i++) {
      for (const text of ["[".repeat(100_000), "- ".repeat(100_000), `${" ".repeat(100)}a:\n`.repeat(1_000)]) {
        expect(errorsOf(text).length).toBeGreaterThan(0);
      }
    }
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it("are met by an alias bomb before it is followed", () => {
    const levels = Array.from({ length: 9 }, (_, level) => `a${level + 1}: &a${level + 1} [${list(`*a${level}`, 9)}]`);
    const startedAt = performance.now();
    expect(errorsOf(`a0: &a0 [${list("x", 9)}]\n${levels.join("\n")}`)).toMatchObject([
      { message: "Maximum YAML nodes exceeded: more than 50000", at: { line: 5 } },
    ]);
    expect(performance.now() - startedAt).toBeLessThan(200);
  });
});

function errorsOf(text: string, readLimits?: ReadLimits) {
  const result = readWorkflow("ci.yml", text, readLimits);
  return result.kind === "read" ? [] : result.diagnostics.filter(({ kind }) => kind === "error");
}

function sizeOf(text: string): number {
  const result = readWorkflow("ci.yml", text);
  if (result.kind === "refused") throw new Error(JSON.stringify(result.diagnostics));
  return result.workflow.sizeBytes;
}

/** Of what stands in the list of `matrixOf`: root, jobs, the job, its strategy, matrix and list. */
const VALUE_DEPTH = 6;

/** `&a` is the anchor of another list's only item. */
function matrixOf(items: string, anchored = "1"): string {
  return `${HEAD}    steps: [{ run: a }]\n    strategy: { matrix: { w: [&a ${anchored}], v: [${items}] } }\n`;
}

function nested(value: string, depth: number): string {
  return "[".repeat(depth) + value + "]".repeat(depth);
}

function list(item: string, length: number): string {
  return Array.from({ length }, () => item).join(",");
}

/** Of a text without aliases: what GitHub's reader meets. */
function nodesOf(text: string): number {
  const count = (value: unknown): number => {
    if (typeof value !== "object" || value === null) return 1;
    const inner = Object.values(value).reduce((sum: number, it) => sum + count(it), 2);
    return Array.isArray(value) ? inner : inner + Object.keys(value).length;
  };
  return 4 + count(parse(text));
}
