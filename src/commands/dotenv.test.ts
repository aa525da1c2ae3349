import { array, assert, property, string, stringMatching, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDotenv } from "./dotenv.ts";

function pairs(text: string): { [key: string]: string } | string {
  const parsed = parseDotenv(text);
  return parsed.ok
    ? Object.fromEntries(parsed.pairs.map(({ key, value }) => [key, value]))
    : `${parsed.line}: ${parsed.message}`;
}

describe("parseDotenv", () => {
  it("reads bare, quoted and exported values among comments and blank lines", () => {
    const text = [
      "\uFEFF# secrets",
      "",
      "A=1",
      "  export B = two words  # why",
      "C='as # it \\n is' # c",
      'D="a\\tb\\"\\$"',
      "E=",
      "F=p#ss",
    ];
    expect(pairs(text.join("\r\n"))).toEqual({
      A: "1",
      B: "two words",
      C: "as # it \\n is",
      D: 'a\tb"$',
      E: "",
      F: "p#ss",
    });
  });

  it("reads values over several lines, such as a private key", () => {
    expect(pairs('KEY="-----BEGIN\nabc=\n# not a comment\n-----END"\nNEXT=1')).toEqual({
      KEY: "-----BEGIN\nabc=\n# not a comment\n-----END",
      NEXT: "1",
    });
  });

  it.each([
    ["A=1\nno assignment", "2: expected NAME=value"],
    ["9A=1", "1: expected NAME=value"],
    ["\n\nA='open\nB=2", "3: a quote is not closed"],
    ["A=1\nB=2\0", "2: a NUL character"],
    ["A='x\ny\0'", "2: a NUL character"],
    ['A="closed" more', "1: text after the closing quote"],
  ])("refuses %j with its line and without the value", (text, message) => {
    expect(pairs(text)).toBe(message);
  });

  it("gives back whatever was written in double quotes with escapes", () => {
    const name = stringMatching(/^[A-Z_][A-Z0-9_]{0,8}$/);
    assert(
      property(
        array(
          tuple(
            name,
            string({ unit: "grapheme" }).filter((value) => !value.includes("\0")),
          ),
          { maxLength: 8 },
        ),
        (written) => {
          const text = written
            .map(([key, value]) => `${key}="${value.replaceAll(/["\\$]/g, "\\$&").replaceAll("\r", "\\r")}"\n`)
            .join("");
          const parsed = parseDotenv(text);
          expect(parsed).toEqual({ ok: true, pairs: written.map(([key, value]) => ({ key, value })) });
        },
      ),
    );
  });
});
