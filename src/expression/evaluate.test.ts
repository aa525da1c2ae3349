import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  contextsReadBy,
  evaluate,
  evaluateExpression,
  evaluateWithFiles,
  ExpressionError,
  isTruthy,
  type Scope,
  toText,
} from "./evaluate.ts";
import { parseJson } from "./json.ts";
import type { ExpressionTemplate, LiteralTemplate, MappingTemplate, Template, Value } from "./template.ts";

const at = { line: 1, column: 1 };

function scopeOf(contexts: Scope["contexts"], functions: Scope["functions"] = {}): Scope {
  return { contexts, functions };
}

function run(expression: string, contexts: Scope["contexts"] = {}): Value {
  return evaluateExpression(expression, scopeOf(contexts));
}

function expr(expression: string): ExpressionTemplate {
  return { kind: "expression", expression, source: `\${{ ${expression} }}`, at };
}

function literal(value: LiteralTemplate["value"]): LiteralTemplate {
  return { kind: "literal", value, at };
}

function mapping(...entries: readonly (readonly [LiteralTemplate | ExpressionTemplate, Template])[]): MappingTemplate {
  return { kind: "mapping", entries: entries.map(([key, value]) => ({ key, value })), at };
}

async function ask(expression: string): Promise<{ readonly value: Value; readonly asked: readonly string[] }> {
  const asked: string[] = [];
  const value = await evaluateWithFiles(expr(expression), scopeOf({ runner: { os: "Linux" } }), (patterns) => {
    asked.push(patterns.join("+"));
    return Promise.resolve(`hash of ${patterns.join("+")}`);
  });
  return { value, asked };
}

describe("contexts", () => {
  it("reads a context that is not there as null", () => {
    expect(run("secrets.TOKEN")).toBeNull();
    expect(run("needs.build.outputs.*")).toEqual([]);
    expect(run("github.event.nothing.at.all == ''")).toBe(true);
  });

  it("refuses a name that is no context and no function", () => {
    expect(() => run("secret.TOKEN")).toThrow(new ExpressionError("Unrecognized named-value: 'secret'"));
    expect(() => run("constructor('x')")).toThrow(new ExpressionError("Unrecognized function: 'constructor'"));
  });

  it("finds keys whatever their case, except those of env", () => {
    const contexts = { github: { Ref: "main" }, env: { Path: "a" }, matrix: { OS: "linux" } };
    expect(run("GitHub.REF", contexts)).toBe("main");
    expect(run("matrix['os']", contexts)).toBe("linux");
    expect(run("env.PATH", contexts)).toBeNull();
    expect(run("(env).Path", contexts)).toBe("a");
  });

  it("keeps __proto__ and constructor as data, and never finds what an object inherits", () => {
    const data = parseJson('{"__proto__": {"polluted": 1}, "constructor": "c"}');
    expect(run("toJSON(inputs)", { inputs: data })).toBe(
      '{\n  "__proto__": {\n    "polluted": 1\n  },\n  "constructor": "c"\n}',
    );
    expect(run("inputs.constructor", { inputs: data })).toBe("c");
    expect(run("inputs['__proto__'].polluted", { inputs: data })).toBe(1);
    expect(run("github.constructor || github.toString || github['__proto__']", { github: {} })).toBeNull();
    expect(Object.prototype).not.toHaveProperty("polluted");
  });
});

describe("functions", () => {
  it("evaluates only the value that case chooses", () => {
    expect(run("case(true, 1, fromJSON('not json'))")).toBe(1);
    expect(run("case(false, fromJSON('{'), true, 2, fromJSON(''))")).toBe(2);
    expect(() => run("case('true', 1, 2)")).toThrow("case predicate must evaluate to a boolean value");
  });

  it("undoes every doubled quote of a string", () => {
    expect(run("'it''s the cat''s'''")).toBe("it's the cat's'");
    expect(run("format('{0}''{0}''', 1)")).toBe("1'1'");
  });

  it("prints numbers as the runner does, in text and in JSON", () => {
    expect(run("format('{0} {1}', 123456789.123456789, 1e-20)")).toBe("123456789.123457 1E-20");
    expect(run("toJSON(fromJSON('[1e20, 0.1]'))")).toBe("[\n  1E+20,\n  0.1\n]");
  });

  it("keeps the order of keys that look like numbers", () => {
    expect(run(`join(fromJSON('{"b":"x","10":"y","9":"z"}').*)`)).toBe("x,y,z");
    expect(run(`toJSON(fromJSON('{"b":1,"10":2,"9":3}'))`)).toBe('{\n  "b": 1,\n  "10": 2,\n  "9": 3\n}');
    const template = mapping([literal("z"), literal(1)], [literal("7"), literal(2)], [literal("a"), literal(3)]);
    const value = evaluate(template, scopeOf({}));
    expect(run("toJSON(matrix)", { matrix: value })).toBe('{\n  "z": 1,\n  "7": 2,\n  "a": 3\n}');
  });

  it("takes white space of any kind between words, and keeps it inside strings", () => {
    expect(run("1\u00a0==\u20021")).toBe(true);
    expect(run("'a\u00a0b'")).toBe("a\u00a0b");
  });

  it("calls the scope's functions with values", () => {
    const functions = { failure: (args: readonly Value[]) => args.length === 0 };
    expect(evaluateExpression("FAILURE() && 'yes'", scopeOf({}, functions))).toBe("yes");
  });

  it("names the place of a fault, over line ends too", () => {
    expect(() => run("'a\nb' ==\n 1 2")).toThrow(
      "Unexpected symbol: '2'. Located at position 13 within expression: 'a\nb' ==\n 1 2",
    );
    expect(() => run("contains('a', 'b'")).toThrow(
      "Unexpected end of expression: ''b''. Located at position 15 within expression: contains('a', 'b'",
    );
  });
});

describe("limits of an expression", () => {
  it("are 21,000 characters", () => {
    const padding = " ".repeat(20_999);
    expect(run(`${padding}1`)).toBe(1);
    expect(() => run(`${padding} 1`)).toThrow("Exceeded max expression length 21000");
  });

  it("are a depth of 50, of brackets as of chains", () => {
    expect(run(`${"(".repeat(49)}1${")".repeat(49)}`)).toBe(1);
    expect(() => run(`${"(".repeat(50)}1${")".repeat(50)}`)).toThrow("Exceeded max expression depth 50");
    expect(() => run(`${"1==".repeat(5_000)}1`)).toThrow("Exceeded max expression depth 50");
    expect(run(`${"1 || ".repeat(3_000)}1`)).toBe(1);
  });

  it("are 1 MB of memory at a time, however it is asked for", () => {
    const tooMuch = "The maximum allowed memory size was exceeded";
    const github = { text: "x".repeat(10_000) };
    const wide = `format('${"{0}".repeat(100)}', github.text)`;
    expect(() => run(wide, { github })).toThrow(tooMuch);
    expect(() => run(`format('${"{0}".repeat(5_000)}', toJSON(github))`, { github })).toThrow(tooMuch);
    expect(() => run(`join(fromJSON('[${"1,".repeat(5_000)}1]'), github.text)`, { github })).toThrow(tooMuch);
    const half = `format('${"{0}".repeat(40)}', github.text)`;
    expect(() => run(`${half} == ${half}`, { github })).toThrow(tooMuch);
  });

  it("count what is held, not what was held", () => {
    const github = { text: "x".repeat(10_000) };
    const half = `contains(format('${"{0}".repeat(30)}', github.text), 'y')`;
    expect(run(Array.from({ length: 50 }, () => half).join(" || "), { github })).toBe(false);
  });

  it("stop JSON that nests too deep or is full of escapes, without running out of stack", () => {
    expect(() => run("fromJSON(inputs.x)", { inputs: { x: "[".repeat(100_000) } })).toThrow(/nested deeper than 100/);
    const escaped = `"${String.raw`\"`.repeat(100_000)}"`;
    expect(run("startsWith(fromJSON(inputs.x), '\"')", { inputs: { x: escaped } })).toBe(true);
    let deep: Value = 1;
    for (let i = 0; i < 10_000; i++) deep = [deep];
    expect(() => run("toJSON(inputs)", { inputs: deep })).toThrow(ExpressionError);
  });
});

describe("templates", () => {
  it("become values with the shape of the YAML", () => {
    const template = mapping(
      [literal("list"), { kind: "sequence", items: [literal(1), expr("github.ref")], at }],
      [expr("github.key"), literal(null)],
    );
    const value = evaluate(template, scopeOf({ github: { ref: "main", key: "named" } }));
    expect(toText(value)).toBe("Object");
    expect(JSON.stringify(value)).toBe('{"list":[1,"main"],"named":null}');
    expect(Object.getPrototypeOf(value)).toBeNull();
  });

  it("take in the entries of an object where ${{ insert }} stands", () => {
    const template = mapping([literal("a"), literal(1)], [expr("insert"), expr("fromJSON(inputs.more)")]);
    expect(JSON.stringify(evaluate(template, scopeOf({ inputs: { more: '{"b":2,"c":3}' } })))).toBe(
      '{"a":1,"b":2,"c":3}',
    );
    expect(() => evaluate(template, scopeOf({ inputs: { more: '{"a":2}' } }))).toThrow("'a' is already defined");
    expect(() => evaluate(template, scopeOf({ inputs: { more: "[1]" } }))).toThrow(ExpressionError);
  });

  it("name the contexts they mention, reached or not", () => {
    const template = mapping(
      [literal("os"), expr("fromJSON(needs.a.outputs.os)")],
      [expr("insert"), expr("true || Vars.x")],
    );
    expect([...contextsReadBy(template)]).toEqual(["needs", "vars"]);
    expect([...contextsReadBy(literal("needs.a"))]).toEqual([]);
  });
});

describe("hashFiles", () => {
  it("is asked for what the evaluation reaches, once for each list of patterns", async () => {
    expect(await ask("format('{0}-{1}-{1}', runner.os, hashFiles('a', format('{0}', 'b')))")).toEqual({
      value: "Linux-hash of a+b-hash of a+b",
      asked: ["a+b"],
    });
    expect((await ask("hashFiles('a') == hashFiles('b')")).asked).toEqual(["a", "b"]);
  });

  it("is not asked for behind && or || that stop before it", async () => {
    expect(await ask("runner.os == 'Windows' && hashFiles('a') || 'none'")).toEqual({ value: "none", asked: [] });
  });

  it("passes on the failure of the one who hashes", async () => {
    const asking = evaluateWithFiles(expr("hashFiles('a')"), scopeOf({}), () =>
      Promise.reject(new Error("no such machine")),
    );
    await expect(asking).rejects.toThrow("no such machine");
  });
});

test.each([
  [null, false, ""],
  [0, false, "0"],
  [Number.NaN, false, "NaN"],
  ["", false, ""],
  ["0", true, "0"],
  [false, false, "false"],
  [[], true, "Array"],
  [{}, true, "Object"],
])("%j is truthy: %s, as text: '%s'", (value, truthy, text) => {
  expect(isTruthy(value)).toBe(truthy);
  expect(toText(value)).toBe(text);
});

function faultOf(expression: string, scope: Scope): unknown {
  try {
    JSON.stringify(evaluate(expr(expression), scope));
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("any expression", () => {
  const atom = fc.constantFrom(
    "1",
    "'a''b'",
    "true",
    "null",
    "-1e3",
    "github",
    "github.a",
    "env['b']",
    "inputs.*",
    "0x1F",
    "NaN",
  );
  const grown = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      atom,
      fc
        .tuple(tie("node"), fc.constantFrom("==", "!=", "<", ">=", "&&", "||"), tie("node"))
        .map((parts) => parts.join(" ")),
      fc
        .tuple(
          fc.constantFrom("toJSON", "fromJSON", "format", "join", "contains", "case", "hashFiles", "valueOf"),
          fc.array(tie("node"), { maxLength: 4 }),
        )
        .map(([name, args]) => `${name}(${args.join(", ")})`),
      tie("node").map((node) => `!(${node})`),
      fc.tuple(tie("node"), tie("node")).map(([base, index]) => `(${base})[${index}].*.x`),
    ),
  })).node;
  const soup = fc
    .array(
      fc.constantFrom(
        ..."()[]{},.*!=<>&|'\" \n\t0x1eE+-aN_é😊".split(""),
        "github",
        "toJSON(",
        "format('{0}'",
        "${{",
        "}}",
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join(""));
  const scope = scopeOf({ github: { a: [1, { x: "y" }], b: { __proto__: null } }, inputs: { one: [1, 2], two: "t" } });

  it("gives a value or an ExpressionError, nothing else", () => {
    fc.assert(
      fc.property(fc.oneof(grown, soup, fc.string()), (expression) => {
        expect(faultOf(expression, scope)).toSatisfy(
          (it: unknown) => it === undefined || it instanceof ExpressionError,
        );
      }),
      { numRuns: 5_000 },
    );
  });

  it("prints any JSON so that it reads back the same", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (json) => {
        const value = parseJson(JSON.stringify(json));
        expect(run("toJSON(fromJSON(inputs))", { inputs: JSON.stringify(json) })).toBe(
          run("toJSON(inputs)", { inputs: value }),
        );
      }),
    );
  });
});
