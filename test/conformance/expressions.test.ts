/**
 * GitHub's own cases for its expression engines (actions/languageservices, MIT), read from ../shared/conformance.
 * Names are checked where a workflow is read, the rest happens when it runs; a case may fail at either.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { evaluateExpression, ExpressionError } from "../../src/expression/evaluate.ts";
import { parseJson } from "../../src/expression/json.ts";
import { checkExpression } from "../../src/expression/parse-expression.ts";
import type { Value } from "../../src/expression/template.ts";
import { sharedData } from "../shared-data.ts";

const { folder, files, suffix } = sharedData("conformance/expressions/testdata/");

interface Case {
  readonly expr: string;
  readonly contexts?: { readonly [name: string]: unknown };
  readonly result?: { readonly kind: string; readonly value: unknown };
  readonly err?: { readonly kind: string; readonly value: string };
  readonly options?: { readonly skip?: readonly string[] };
}

const cases = files
  .filter((name) => name.endsWith(".json"))
  .flatMap((file) => {
    const groups: { readonly [group: string]: readonly Case[] } = JSON.parse(
      readFileSync(new URL(file, folder), "utf8"),
    );
    return Object.entries(groups).flatMap(([group, list]) => list.map((it) => ({ ...it, place: `${file} ${group}` })));
  });

describe.skipIf(files.length === 0)(`GitHub's expression cases${suffix}`, () => {
  test("are all here, and five are marked as too much for GitHub's TypeScript engine", () => {
    expect(cases).toHaveLength(1020);
    expect(cases.filter((it) => it.options?.skip?.includes("typescript"))).toHaveLength(5);
  });

  test.each(cases)("$place: $expr", ({ expr, contexts = {}, result, err }) => {
    const outcome = outcomeOf(expr, contexts);
    const expected =
      err === undefined
        ? { message: undefined, ...withoutNegativeZero(result) }
        : { message: goldenMessage(err.value) };
    expect("message" in outcome ? { message: outcome.message.slice(0, expected.message?.length) } : outcome).toEqual(
      expected,
    );
  });
});

type Outcome = { readonly kind: string; readonly value: unknown } | { readonly message: string };

function outcomeOf(expr: string, contexts: { readonly [name: string]: unknown }): Outcome {
  try {
    checkExpression(expr, { contexts: Object.keys(contexts), functions: [] });
    const value = evaluateExpression(expr, { contexts: lowerCaseKeys(contexts), functions: {} });
    return { kind: kindOf(value), value: withoutNegativeZero(value) };
  } catch (error) {
    if (error instanceof ExpressionError) return { message: error.message };
    throw error;
  }
}

/** Some cases give the beginning only; two give a position without the expression it belongs to, and it is wrong. */
function goldenMessage(message: string): string {
  return message.replace(/ Located at position \d+$/, "");
}

function lowerCaseKeys(contexts: { readonly [name: string]: unknown }): { readonly [name: string]: Value } {
  return Object.fromEntries(
    Object.entries(contexts).map(([name, value]) => [name.toLowerCase(), parseJson(JSON.stringify(value))]),
  );
}

function kindOf(value: Value): string {
  if (value === null) return "Null";
  if (typeof value === "object") return Array.isArray(value) ? "Array" : "Object";
  return `${(typeof value).slice(0, 1).toUpperCase()}${(typeof value).slice(1)}`;
}

/** JSON has one zero. */
function withoutNegativeZero<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}
