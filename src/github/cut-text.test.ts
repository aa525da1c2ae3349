import { assert, integer, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { cutLine, cutText, lengthInJson } from "./cut-text.ts";

describe("cutText", () => {
  it("leaves what fits, and fits what does not", () => {
    expect(cutText("abc", 3, "…")).toBe("abc");
    expect(cutText("abcd", 3, "…")).toBe("ab…");
    expect(cutText("a\nb\nc", 5, "…")).toBe("a\nb…");
    expect(cutText("a\nb\nc", 4, "…")).toBe("a\n…");
  });

  it("cuts through no character", () => {
    expect(cutText("aé😀😀", 4, "…")).toBe("aé…");
    expect(cutText("😀😀😀", 5, "…")).toBe("😀😀…");
  });

  it("keeps within the limit, and cuts no more than it must", () => {
    assert(
      property(string({ unit: "binary", maxLength: 200 }), integer({ min: 1, max: 300 }), (text, limit) => {
        const cut = cutText(text, limit, "…");
        expect(lengthInJson(cut)).toBeLessThanOrEqual(limit);
        expect(cut.isWellFormed()).toBe(text.isWellFormed());
        if (cut === text) return;
        const kept = cut.slice(0, -1);
        expect(text.startsWith(kept)).toBe(true);
        const next = String.fromCodePoint(text.codePointAt(kept.length) ?? 0);
        expect(lengthInJson(kept + next) + 1).toBeGreaterThan(limit);
      }),
      { numRuns: 500 },
    );
  });

  it("makes one line", () => {
    expect(cutLine(" a\r\n b\t c ", 100)).toBe("a b c");
    expect(cutLine("a b c d", 4)).toBe("a b…");
  });
});
