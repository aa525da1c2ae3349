import { array, assert, constantFrom, integer, property, record, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { plainText } from "./display-text.ts";
import { lineWidth, span } from "./line.ts";
import type { Line } from "./line.ts";
import { wrapSpans } from "./wrap-spans.ts";

function without(text: string): string {
  return text.replaceAll(/\s/g, "");
}

function texts(lines: readonly Line[]): string[] {
  return lines.map((line) => line.map(({ text }) => text).join(""));
}

describe("wrapSpans", () => {
  it("breaks at spaces and newlines and keeps the styles", () => {
    const lines = wrapSpans([span("one "), span("two", "bold"), span(" three\nfour")], 9);
    expect(texts(lines)).toEqual(["one two", "three", "four"]);
    expect(lines[0]).toEqual([span("one "), span("two", "bold")]);
  });

  it("cuts a word that is wider than a line, also one of wide characters", () => {
    expect(texts(wrapSpans([span("abcdefgh 日本語日本語")], 4))).toEqual(["abcd", "efgh", "日本", "語日", "本語"]);
  });

  it("loses nothing but space and is never wider than asked", () => {
    const spans = array(
      record({
        text: string({ unit: constantFrom("a", "b", " ", "\n", "日", "é") }),
        style: constantFrom(undefined, "bold" as const),
      }),
    );
    assert(
      property(spans, integer({ min: 2, max: 12 }), (given, columns) => {
        const plain = given.map(({ text, style }) => span(plainText(text.replaceAll("\n", " ")), style));
        const lines = wrapSpans(plain, columns);
        expect(lines.every((line) => lineWidth(line) <= columns)).toBe(true);
        expect(without(texts(lines).join(""))).toBe(without(plain.map(({ text }) => text).join("")));
      }),
    );
  });
});
