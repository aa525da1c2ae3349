import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { stringify } from "yaml";
import { deepestNesting } from "./nesting.ts";

function depthOf(text: string): number {
  return deepestNesting(text, Number.POSITIVE_INFINITY).depth;
}

describe("the nesting of a text", () => {
  test.each([
    ["flow sequences", `a: ${"[".repeat(300)}`],
    ["flow mappings", `a: ${"{b: ".repeat(300)}`],
    ["sequences on one line", "- ".repeat(300)],
    ["keys on one line", "? ".repeat(300)],
    ["indentation", Array.from({ length: 300 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
    ["flow over many lines", `a: [\n${" [\n".repeat(300)}`],
    ["flow behind an anchor and a tag", `a: &x !!seq ${"[".repeat(300)}`],
    ["flow behind a quoted key", `"a: b": ${"[".repeat(300)}`],
    ["flow behind a text in quotes", `a: ["]]", ${"[".repeat(300)}`],
    ["flow behind quotes left open by a text", `a: x "\nb: ${"[".repeat(300)}`],
  ])("is seen in %s", (_name, text) => {
    expect(depthOf(text)).toBeGreaterThanOrEqual(300);
  });

  test.each([
    ["scripts", `run: |\n${"  [[ $a == { ]\n".repeat(300)}`],
    ["scripts of steps", `steps:\n  - run: >-\n${"      {{[[\n".repeat(300)}  - |\n${"    [[[\n".repeat(300)}  - x`],
    ["comments", `# ${"[".repeat(300)}\na: 1\n   # {{{{{{{{{{{{{{{{{{{{{{{{{{{{\nb: 2`],
    ["texts", `a: x ${"[".repeat(300)}\nb: "${"[".repeat(300)}"\nc: '${"{".repeat(300)}'`],
    ["texts over many lines", `a: "x\n${"  [[[[\n".repeat(300)}  "\nb: 1`],
  ])("is not seen in %s", (_name, text) => {
    expect(depthOf(text)).toBeLessThan(10);
  });

  it("is told with its place", () => {
    expect(deepestNesting("a:\n  b: [[[", 4)).toMatchObject({ depth: 5, at: { line: 2, column: 8 } });
  });

  it("is never guessed at less than half, whatever the style", () => {
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 12 },
        fc.constantFrom(1, "x", "a: b", "- [", '"', "multi\nline [\n", null),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("k", "a b", "[", "'", "?"), tie("tree"), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(tree, fc.boolean(), fc.boolean(), (value, indentSeq, isFlow) => {
        const text = stringify(value, { indentSeq, ...(isFlow ? { collectionStyle: "flow" } : {}) });
        expect(2 * depthOf(text)).toBeGreaterThanOrEqual(nestingOf(value));
      }),
      { numRuns: 500 },
    );
  });

  it("takes any text, and time in proportion", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(..."[]{}:-?|>'\"&! \n\ta#,".split("")) }),
        (text) => depthOf(text) >= 0,
      ),
    );
    for (const piece of ["a: ", "&x ", " ", "'", '"\\', "- ", "[", ": #", "|\n"]) {
      expect(depthOf(piece.repeat(1_000_000 / piece.length))).toBeGreaterThanOrEqual(0);
    }
  });
});

function nestingOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map((item) => nestingOf(item)));
}
