import { describe, expect, it } from "vitest";
import { parseJson } from "../expression/json.ts";
import { cellText, readsCell } from "./matrix-fork-reads.ts";

const at = { line: 1, column: 1 };
const reading = (expression: string) => ({ any: [{ kind: "expression", expression, source: expression, at }] });

/** Whether the expression is taken to read the same of two cells with these matrices. */
function same(expression: string, one: string, other: string): boolean {
  const textOf = (matrix: string, index: number): string =>
    cellText(reading(expression), { matrix: parseJson(matrix), strategy: { "job-index": index, "job-total": 2 } });
  return textOf(one, 0) === textOf(other, 1);
}

describe("what an expression reads of a cell", () => {
  it.each([
    ["matrix.a", '{"a":1,"b":1}', '{"a":1,"b":2}'],
    ["MATRIX.A", '{"a":1,"b":1}', '{"A":1,"b":2}'],
    ["(matrix)['a']", '{"a":1,"b":1}', '{"a":1,"b":2}'],
    ["matrix.a.b", '{"a":{"b":1,"c":1}}', '{"a":{"b":1,"c":2}}'],
    ["matrix.gone.a", '{"a":1}', '{"a":2}'],
    ["strategy.job-total", '{"a":1}', '{"a":2}'],
    ["env.matrix", '{"a":1}', '{"a":2}'],
    ["'matrix.a'", '{"a":1}', '{"a":2}'],
    ["github.event.matrix", '{"a":1}', '{"a":2}'],
  ])("%s is the same in %s and %s", (expression, one, other) => {
    expect(same(expression, one, other)).toBe(true);
  });

  it.each([
    ["matrix.a", '{"a":1}', '{"a":"1"}'],
    ["matrix.a", '{"a":null}', '{"a":"null"}'],
    ["matrix.a", '{"a":[1,2]}', '{"a":["1,2"]}'],
    ["matrix", '{"a":1}', '{"a":2}'],
    ["toJSON(matrix)", '{"a":1,"b":2}', '{"b":2,"a":1}'],
    ["matrix.a[0]", '{"a":[1,2]}', '{"a":[2,2]}'],
    ["matrix.a['0']", '{"a":[1,2]}', '{"a":[2,2]}'],
    ["matrix.*", '{"a":1}', '{"a":2}'],
    ["matrix.a.*.b", '{"a":[{"b":1}]}', '{"a":[{"b":2}]}'],
    ["matrix[github.ref]", '{"a":1}', '{"a":2}'],
    ["matrix[matrix.a]", '{"a":"b","b":1}', '{"a":"b","b":2}'],
    ["github[matrix.a]", '{"a":1}', '{"a":2}'],
    ["fromJSON(toJSON(matrix)).a", '{"a":1,"b":1}', '{"a":1,"b":2}'],
    ["false && matrix.a", '{"a":1}', '{"a":2}'],
    ["strategy.job-index", "{}", "{}"],
    ["strategy", "{}", "{}"],
    ["not an expression", '{"a":1}', '{"a":2}'],
  ])("%s is not the same in %s and %s", (expression, one, other) => {
    expect(same(expression, one, other)).toBe(false);
  });

  it("is found wherever it stands, and is nothing where no expression asks", () => {
    expect(readsCell({ deep: [{ with: reading("matrix.a") }] })).toBe(true);
    expect(readsCell(reading("github.ref"))).toBe(false);
    expect(readsCell(undefined)).toBe(false);
  });
});
