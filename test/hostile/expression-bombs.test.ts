/**
 * A11: expressions of strangers. GitHub's limits and messages, a bound on the work of one evaluation, and random expressions of
 * which none hangs and none fails otherwise than with a message. `HEARTH_FUZZ_RUNS=1000000` makes more of them.
 */
import { array, assert, constantFrom, letrec, oneof, property, string, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluateExpression, ExpressionError } from "../../src/expression/evaluate.ts";
import { parseJson } from "../../src/expression/json.ts";
import { checkExpression } from "../../src/expression/parse-expression.ts";
import type { Value } from "../../src/expression/template.ts";
import { readWorkflow } from "../../src/workflow/read-workflow.ts";
import { growthOf, LINEAR, timeMs } from "./growth.ts";

const RUNS = Number(process.env["HEARTH_FUZZ_RUNS"] ?? 20_000);
const HANG_MS = 50;

type Contexts = { readonly [name: string]: Value };

function evaluated(expression: string, contexts: Contexts = {}): Value {
  return evaluateExpression(expression, { contexts, functions: {} });
}

function faultOf(expression: string, contexts: Contexts = {}): string {
  return faultIn(() => void evaluated(expression, contexts)) ?? "";
}

function faultIn(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof ExpressionError) return error.message;
    throw error;
  }
}

const TOO_DEEP = "Exceeded max expression depth 50";
const TOO_LONG = "Exceeded max expression length 21000";
const TOO_MUCH_MEMORY = "The maximum allowed memory size was exceeded";

/** Each nests one level for each that it is asked for. */
const NESTINGS: readonly (readonly [name: string, nest: (depth: number) => string])[] = [
  ["brackets", (depth) => `${"(".repeat(depth - 1)}1${")".repeat(depth - 1)}`],
  ["calls", (depth) => `${"toJSON(".repeat(depth - 1)}1${")".repeat(depth - 1)}`],
  ["indexes", (depth) => `${"github[".repeat(depth - 1)}1${"]".repeat(depth - 1)}`],
  ["negations", (depth) => `${"!".repeat(depth - 1)}1`],
  ["comparisons", (depth) => `1${"==1".repeat(depth - 1)}`],
  ["members", (depth) => `github${".a".repeat(depth - 1)}`],
];

describe("the depth of an expression", () => {
  it.each(NESTINGS)("is bounded for %s, without running out of stack", (_, nest) => {
    const accepted = Array.from({ length: 60 }, (_, depth) => depth + 1).filter(
      (depth) => faultOf(nest(depth)) !== TOO_DEEP,
    );
    expect(accepted).toEqual(Array.from({ length: accepted.length }, (_, depth) => depth + 1));
    expect(accepted.length).toBeGreaterThanOrEqual(25);
    expect(accepted.length).toBeLessThanOrEqual(51);
    expect(faultOf(nest(2_500))).toMatch(/Exceeded max expression depth 50|Exceeded max expression length/);
  });

  it("is 50, at N and at N + 1", () => {
    expect(evaluated(`${"(".repeat(49)}1${")".repeat(49)}`)).toBe(1);
    expect(faultOf(`${"(".repeat(50)}1${")".repeat(50)}`)).toBe(TOO_DEEP);
  });
});

function inWorkflow(length: number): ReturnType<typeof readWorkflow> {
  const expression = `'${"x".repeat(length - 2)}'`;
  return readWorkflow(
    "long.yml",
    `on: push\nenv: { a: "\${{ ${expression} }}" }\njobs: {a: {runs-on: x, steps: [{run: x}]}}`,
  );
}

describe("the length of an expression", () => {
  it("is 21,000 characters, at N and at N + 1, alone and inside a workflow", () => {
    expect(evaluated(`${" ".repeat(20_999)}1`)).toBe(1);
    expect(faultOf(`${" ".repeat(21_000)}1`)).toBe(TOO_LONG);
    expect(inWorkflow(20_000).kind).toBe("read");
    expect(inWorkflow(21_001)).toMatchObject({ kind: "refused", diagnostics: [{ message: TOO_LONG }] });
  });
});

describe("the memory of an evaluation", () => {
  const long = { text: "x".repeat(10_000) };

  it.each([
    ["format with many places", `format('${"{0}".repeat(6_000)}', github.text)`],
    ["format in format", `format('${"{0}".repeat(200)}', format('${"{0}".repeat(200)}', github.text))`],
    ["join with a long separator", `join(fromJSON('[${"1,".repeat(9_000)}1]'), github.text)`],
    ["toJSON in toJSON", `${"toJSON(".repeat(45)}github${")".repeat(45)}`],
    [
      "toJSON of the same thing side by side",
      `format('${"{0}".repeat(9)}${"{1}".repeat(90)}', toJSON(github), toJSON(github))`,
    ],
    ["texts held at once", `format('${"{0}".repeat(40)}', github.text) == format('${"{0}".repeat(40)}', github.text)`],
  ])("is 1 MB: %s", (_, expression) => {
    expect(faultOf(expression, { github: long })).toBe(TOO_MUCH_MEMORY);
  });

  it("is that of the values, whatever width a format asks for", () => {
    expect(evaluated(`format('{${"0".repeat(1_000)}}', 1)`)).toBe("1");
    expect(faultOf(`format('{0,${"9".repeat(1_000)}}', 1)`)).toMatch(/format string is invalid/);
    expect(faultOf(`format('{0:D${"9".repeat(1_000)}}', 1)`)).toMatch(
      /format specifiers 'D9+' are not valid .* 'Number'/,
    );
    expect(faultOf(`format('{${"9".repeat(1_000)}}', 1)`)).toMatch(/format string is invalid/);
    expect(faultOf("format('{256}', 1)")).toMatch(/format string is invalid/);
    expect(faultOf("format('{255}', 1)")).toMatch(/references more arguments/);
  });

  it("is a limit of depth for JSON", () => {
    expect(
      evaluated("toJSON(fromJSON(inputs.text))", { inputs: { text: `${"[".repeat(99)}${"]".repeat(99)}` } }),
    ).toContain("[");
    expect(faultOf("fromJSON(inputs.text)", { inputs: { text: "[".repeat(100_000) } })).toMatch(
      /nested deeper than 100/,
    );
  });
});

describe("the work of an evaluation", () => {
  it("is enough to search the longest body that GitHub sends as often as an expression can ask", () => {
    const contexts = { github: { event: { body: "x".repeat(65_536) } } };
    const search = Array.from({ length: 500 }, () => "contains(github.event.body, 'needle')").join(" || ");
    expect(evaluated(search.slice(0, search.lastIndexOf(" || ", 20_990)), contexts)).toBe(false);
    const compare = Array.from({ length: 450 }, (_, index) => `github.event.body == '${index}'`).join(" || ");
    expect(evaluated(compare.slice(0, compare.lastIndexOf(" || ", 20_990)), contexts)).toBe(false);
  });

  it("grows with the data, once", () => {
    const contains = growthOf(40_000, (size) => {
      evaluated("contains(inputs.list, 'z')", { inputs: { list: Array.from({ length: size }, () => "x") } });
    });
    const roundTrip = growthOf(4_000, (size) => {
      evaluated("toJSON(fromJSON(inputs.text))", { inputs: { text: `[${"1,".repeat(size)}1]` } });
    });
    expect(Math.max(contains, roundTrip)).toBeLessThan(LINEAR);
  });
});

const scope: Contexts = {
  github: parseJson('{"a": [1, {"x": "y"}], "b": {"__proto__": null}, "ref": "refs/heads/main", "1": 2}'),
  inputs: { one: [1, 2], two: "t", text: '{"k": [1, 2, {"__proto__": "p"}]}' },
  env: { b: "c" },
  matrix: { os: "linux", version: 20 },
};

const atom = constantFrom(
  ..."1 'a''b' true null -1e3 github github.a env['b'] inputs.* 0x1F NaN Infinity inputs.text matrix.os '' 1e308".split(
    " ",
  ),
  "github['__proto__']",
  "github.constructor",
  "github.*.*",
  "'{0}{1}'",
  "'[1,2]'",
  "9007199254740993",
  "steps.none",
);
const names = constantFrom(
  ..."toJSON fromJSON format join contains startsWith endsWith case hashFiles valueOf constructor success".split(" "),
);
const grown = letrec<{ node: string }>((tie) => ({
  node: oneof(
    { depthSize: "small", withCrossShrink: true },
    atom,
    tuple(tie("node"), constantFrom("==", "!=", "<", ">=", "&&", "||"), tie("node")).map((parts) => parts.join(" ")),
    tuple(names, array(tie("node"), { maxLength: 4 })).map(([name, args]) => `${name}(${args.join(", ")})`),
    tie("node").map((node) => `!(${node})`),
    tuple(tie("node"), tie("node")).map(([base, index]) => `(${base})[${index}].*.x`),
    tuple(tie("node"), constantFrom(2, 20, 60)).map(([node, count]) =>
      Array.from({ length: count }, () => node).join(" || "),
    ),
    tuple(tie("node"), constantFrom(2, 20, 60)).map(
      ([node, depth]) => `${"toJSON(".repeat(depth)}${node}${")".repeat(depth)}`,
    ),
  ),
})).node;
const soup = array(
  constantFrom(
    ..."()[]{},.*!=<>&|'\" \n\t0x1eE+-aN_é😊\u2028\0".split(""),
    "github",
    "toJSON(",
    "format('{0}'",
    "${{",
    "}}",
  ),
  { maxLength: 60 },
).map((parts) => parts.join(""));

/** Long enough to be too long. */
function bounded(expression: string): string {
  return expression.slice(0, 30_000);
}

/** Whether it takes the processor too long; what the machine does meanwhile is not its fault, and a collection of garbage is rare. */
function hangs(expression: string): boolean {
  if (timeMs(() => void faultOf(expression, scope)) <= HANG_MS) return false;
  return [1, 2, 3].every(() => cpuMs(() => void faultOf(expression, scope)) > HANG_MS);
}

function cpuMs(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

describe("random expressions", () => {
  it(
    `end with a value or an ExpressionError, none of ${RUNS} takes ${HANG_MS} ms`,
    () => {
      let runs = 0;
      assert(
        property(oneof(grown, soup, string({ unit: "binary" })).map(bounded), (expression) => {
          runs += 1;
          return !hangs(expression);
        }),
        { numRuns: RUNS },
      );
      expect(runs).toBeGreaterThanOrEqual(RUNS);
    },
    60_000 + RUNS,
  );

  it("are checked as they are evaluated: what a check lets pass is parsed", () => {
    const allowed = { contexts: ["github", "inputs"], functions: [{ name: "toJSON", minArgs: 1, maxArgs: 1 }] };
    assert(
      property(oneof(grown, soup).map(bounded), (expression) => {
        const passes = faultIn(() => void checkExpression(expression, allowed)) === undefined;
        return !passes || !/^Unexpected symbol|^Unexpected end/.test(faultOf(expression, scope));
      }),
      { numRuns: 3_000 },
    );
  });
});
