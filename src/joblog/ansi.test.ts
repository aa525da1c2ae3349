import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stripAnsi, withoutAnsi } from "./ansi.ts";

const ESC = "\u001b";

describe("withoutAnsi", () => {
  it.each([
    ["colours", `${ESC}[36;1mred${ESC}[0m`, "red"],
    ["cursor movements", `a${ESC}[2Kb${ESC}[?25lc`, "abc"],
    ["links that end with BEL", `${ESC}]8;;https://example.com\u0007text${ESC}]8;;\u0007`, "text"],
    ["links that end with ESC \\", `${ESC}]8;;https://example.com${ESC}\\text${ESC}]8;;${ESC}\\`, "text"],
    ["two-character escapes", `a${ESC}cb`, "ab"],
    ["a sequence that is cut off", `ab${ESC}[3`, "ab"],
    ["a string that never ends: only its introducer goes", `a${ESC}]secret`, "asecret"],
    ["a lone escape at the end", `a${ESC}`, "a"],
  ])("takes out %s", (_, text, expected) => {
    expect(stripAnsi(text)).toBe(expected);
  });

  it("says where each remaining character stood", () => {
    const part = fc.constantFrom("a", "b", ESC, "[", "]", "m", "1", ";", "\u0007", "\\", `${ESC}[1m`, `${ESC}]x\u0007`);
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = parts.join("");
        const { text: plain, offsets } = withoutAnsi(text);
        expect(offsets.length).toBe(plain.length);
        expect([...offsets].map((offset) => text.charAt(offset)).join("")).toBe(plain);
        expect([...offsets].every((offset, index) => index === 0 || offset > (offsets[index - 1] ?? -1))).toBe(true);
      }),
    );
  });

  it("is linear in a text full of strings that never end", () => {
    const text = `${ESC}]`.repeat(500_000);
    expect(stripAnsi(text)).toBe("");
  });
});
