import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Automaton } from "./automaton.ts";
import type { Range } from "./automaton.ts";

/** Few letters, so that patterns overlap, touch, contain one another and repeat themselves. */
const letter = fc.constantFrom("a", "b", "c", "é", "\ud83d");
const text = fc.string({ unit: letter, maxLength: 60 });
/** The shortest pattern decides how texts are skipped through. */
const somePatterns = fc
  .integer({ min: 1, max: 9 })
  .chain((minLength) =>
    fc.array(fc.string({ unit: letter, minLength, maxLength: minLength + 4 }), { minLength: 1, maxLength: 8 }),
  );
/** Made of the patterns themselves, for long ones are hardly ever found in any text. */
const patternsAndText = somePatterns.chain((patterns) =>
  fc.tuple(
    fc.constant(patterns),
    fc.oneof(
      text,
      fc.array(fc.oneof(fc.constantFrom(...patterns), letter), { maxLength: 12 }).map((parts) => parts.join("")),
    ),
  ),
);

describe("Automaton", () => {
  it("finds what a search for each pattern finds, overlapping and touching places made one", () => {
    fc.assert(
      fc.property(patternsAndText, ([patterns, text]) => {
        const found: Range[] = [];
        new Automaton(patterns).scan(text, found);
        expect(found).toEqual(naiveScan(patterns, text));
      }),
      { numRuns: 1000 },
    );
  });

  it("says how much of the end of a text is the beginning of a pattern", () => {
    fc.assert(
      fc.property(patternsAndText, ([patterns, text]) => {
        const lengths = patterns.flatMap((pattern) =>
          [...Array(pattern.length).keys()]
            .map((index) => index + 1)
            .filter((length) => text.endsWith(pattern.slice(0, length))),
        );
        expect(new Automaton(patterns).scan(text, [])).toBe(Math.max(0, ...lengths));
      }),
      { numRuns: 1000 },
    );
  });

  it("is linear in texts made to fall back at every character", () => {
    const automaton = new Automaton([
      "a".repeat(20_000) + "b",
      ...Array.from({ length: 200 }, (_, index) => "a".repeat(index + 1) + "c"),
    ]);
    const found: Range[] = [];
    automaton.scan(("a".repeat(19_999) + "d").repeat(50), found);
    expect(found).toEqual([]);
  });
});

function naiveScan(patterns: readonly string[], text: string): Range[] {
  const hidden = Array.from({ length: text.length + 1 }, () => false);
  const touching = new Set<number>();
  for (const pattern of patterns) {
    for (let start = text.indexOf(pattern); start !== -1; start = text.indexOf(pattern, start + 1)) {
      hidden.fill(true, start, start + pattern.length);
      touching.add(start);
    }
  }
  const ranges: Range[] = [];
  for (let index = 0; index < text.length; index++) {
    if (!hidden[index]) continue;
    const start = index;
    while (hidden[index]) index++;
    ranges.push({ start, end: index });
  }
  expect(touching.size >= ranges.length).toBe(true);
  return ranges;
}
