import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { characterBorder, LineSplitter } from "./line-splitter.ts";

/** Cuts `bytes` at the given places, in any order. */
function chunksOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

function split(chunks: readonly Buffer[], maxBytes = 1 << 16): string[] {
  const splitter = new LineSplitter(maxBytes);
  const lines = chunks.flatMap((chunk) => [...splitter.push(Buffer.from(chunk))]);
  const last = splitter.end();
  return [...lines, ...(last === undefined ? [] : [last])].map(({ text, droppedBytes }) =>
    droppedBytes === 0 ? text : `${text}+${droppedBytes}`,
  );
}

describe("LineSplitter", () => {
  it.each([
    ["lines end at LF, CR LF and a lone CR", "a\nb\r\nc\rd\n", ["a", "b", "c", "d"]],
    ["empty lines are lines", "\n\r\n\r\rx", ["", "", "", "", "x"]],
    ["the last line needs no line end", "a\nb", ["a", "b"]],
    ["nothing is no line", "", []],
    ["a byte that is no UTF-8 becomes a replacement character", "a\u00e9\n", ["a\ufffd"]],
  ])("%s", (_, text, lines) => {
    const encoding = text.includes("\u00e9") ? "latin1" : "utf8";
    expect(split([Buffer.from(text, encoding)])).toEqual(lines);
  });

  it("finds the same lines however the bytes are cut into chunks", () => {
    const part = fc.constantFrom("\n", "\r", "\r\n", "é", "😀", "plain text ", "日本");
    fc.assert(
      fc.property(fc.array(part), fc.array(fc.nat(200)), (parts, cuts) => {
        const text = parts.join("");
        const expected = text.split(/\r\n|\n|\r/);
        if (expected.at(-1) === "") expected.pop();
        expect(split(chunksOf(Buffer.from(text), cuts))).toEqual(expected);
      }),
    );
  });

  it("keeps the beginning of a line that is too long and counts the rest, without cutting a character", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "é", "日", "😀"), maxLength: 40 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(fc.nat(200)),
        (text, maxBytes, cuts) => {
          const bytes = Buffer.from(`${text}\nnext`);
          const lines = split(chunksOf(bytes, cuts), Math.max(4, maxBytes));
          expect(lines[1]).toBe("next");
          const [, kept = "", dropped = "0"] = /^([^]*?)(?:\+(\d+))?$/.exec(lines[0] ?? "") ?? [];
          if (Number(dropped) === 0) return;
          expect(text.startsWith(kept)).toBe(true);
          expect(Buffer.byteLength(kept) + Number(dropped)).toBe(Buffer.byteLength(text));
        },
      ),
    );
  });

  it("takes an endless line in small chunks in linear time and bounded memory (SECURITY-RELIABILITY A31)", () => {
    const splitter = new LineSplitter(1 << 16);
    const chunk = Buffer.alloc(1000, "x");
    const lines = Array.from({ length: 100_000 }, () => [...splitter.push(chunk)].length);
    expect(lines.every((count) => count === 0)).toBe(true);
    const line = splitter.end();
    expect(line?.text.length).toBe(1 << 16);
    expect(line?.droppedBytes).toBe(100_000_000 - (1 << 16));
  });
});

describe("characterBorder", () => {
  it("stays outside of characters", () => {
    const bytes = Buffer.from("aé😀");
    expect([1, 2, 3, 4, 5, 6, 7].map((end) => characterBorder(bytes, end))).toEqual([1, 1, 3, 3, 3, 3, 7]);
  });
});
