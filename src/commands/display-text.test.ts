import { array, assert, constantFrom, integer, oneof, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { colouredText, displayWidth, plainText, splitReturns, truncate } from "./display-text.ts";

const esc = "\u001b";

/** What a hostile job may print (A34), and what must be left of it. */
const attacks: readonly (readonly [what: string, printed: string, left: string])[] = [
  ["clears the screen", `a${esc}[2J${esc}[Hb`, "ab"],
  ["moves the cursor up to write over our lines", `${esc}[5A${esc}[2Kci.yml  success`, "ci.yml  success"],
  ["sets the title", `${esc}]0;owned\u0007x`, "x"],
  ["writes the clipboard", `${esc}]52;c;ZXZpbA==${esc}\\x`, "x"],
  ["makes a link", `${esc}]8;;https://evil.example${esc}\\click${esc}]8;;${esc}\\`, "click"],
  ["opens a string and never ends it", `${esc}]0;everything after me`, "0;everything after me"],
  ["sends a device control string", `${esc}Pq#0;2;0;0;0${esc}\\x`, "x"],
  ["uses C1 controls", "a\u009b2Jb\u009d0;t\u009cc\u0085d", "abcd"],
  ["asks the terminal to answer", `${esc}[6n${esc}[c${esc}Zx`, "x"],
  ["resets the terminal", `${esc}cx`, "x"],
  ["switches the character set", `${esc}(0x`, "x"],
  ["rings and backspaces", "a\u0007b\u0008\u0008c\u007f", "abc"],
  ["turns the reading direction (Trojan Source)", "a\u202eb\u2066c\u2069", "abc"],
  ["ends the line by other means", "a\u2028b\u2029c\u000bd\u000ce", "abcde"],
  ["hides an escape in an escape", `${esc}${esc}[[2J2Jx`, "2J2Jx"],
];

describe("plainText", () => {
  it.each(attacks)("neutralises a line that %s", (_, printed, left) => {
    expect(plainText(printed)).toBe(left);
  });

  it("leaves nothing but characters and tabs, whatever is put together", () => {
    const piece = oneof(
      string({ unit: "binary" }),
      constantFrom(...attacks.map(([, printed]) => printed), esc, "[", "]", "m"),
    );
    assert(
      property(array(piece), (pieces) => {
        expect(plainText(pieces.join(""))).not.toMatch(/(?!\t)\p{Cc}/u);
        // Colours are the only escape sequences that stay.
        expect(colouredText(pieces.join("")).replaceAll(new RegExp(`${esc}\\[[0-9;:]*m`, "g"), "")).not.toMatch(
          /(?!\t)\p{Cc}/u,
        );
      }),
    );
  });

  it("keeps ordinary text of any script", () => {
    const text = "naïve 日本語 עברית 👩‍👩‍👧 a\tb";
    expect(plainText(text)).toBe(text);
  });

  it("takes time in proportion to the text, also when every character opens a sequence", () => {
    const hostile = `${esc}]`.repeat(200_000) + `${esc}[1;`.repeat(200_000);
    expect(plainText(hostile)).not.toContain(esc);
  });
});

describe("colouredText", () => {
  it("keeps colours and ends them", () => {
    expect(colouredText(`${esc}[31mred${esc}[2J`)).toBe(`${esc}[31mred${esc}[0m`);
    expect(colouredText("plain")).toBe("plain");
  });
});

describe("splitReturns", () => {
  it("makes a line of every state of a progress bar and hides none", () => {
    expect(splitReturns("10%\r20%\r\r30%\r")).toEqual(["10%", "20%", "30%"]);
    expect(splitReturns("")).toEqual([""]);
  });
});

describe("displayWidth and truncate", () => {
  it("count columns, not code units", () => {
    expect(displayWidth("abc")).toBe(3);
    expect(displayWidth("日本")).toBe(4);
    expect(displayWidth("e\u0301")).toBe(1);
    expect(displayWidth("👩‍👩‍👧")).toBe(2);
  });

  it("cut at a character's border and say so", () => {
    expect(truncate("abcdef", 6)).toBe("abcdef");
    expect(truncate("abcdefg", 6)).toBe("abcde…");
    expect(truncate("日本語", 5)).toBe("日本…");
    expect(truncate("a\tb", 5)).toBe("a b");
  });

  it("never exceed the columns", () => {
    assert(
      property(string({ unit: "grapheme" }), integer({ min: 0, max: 30 }), (text, columns) => {
        expect(displayWidth(truncate(plainText(text), columns))).toBeLessThanOrEqual(columns);
      }),
    );
  });
});
