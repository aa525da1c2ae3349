import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_COMMAND_FILE_BYTES, MAX_COMMAND_FILE_ENTRIES, parseKeyValueFile, parsePathFile } from "./command-file.ts";

type Pairs = readonly (readonly [string, string])[];

/** ACTIONS-CONTRACT §2.1. */
const GOOD: readonly (readonly [name: string, text: string, pairs: Pairs])[] = [
  ["nothing", "", []],
  ["empty lines", "\n\n", []],
  ["a value", "a=b", [["a", "b"]]],
  ["an empty value", "a=\n", [["a", ""]]],
  ["a value with = and << in it", "a=b=c<<d\n", [["a", "b=c<<d"]]],
  ["a heredoc", "a<<EOF\nline 1\nline 2\nEOF\n", [["a", "line 1\nline 2"]]],
  ["an empty heredoc", "a<<EOF\nEOF\n", [["a", ""]]],
  ["a heredoc of one empty line", "a<<EOF\n\nEOF\n", [["a", ""]]],
  ["a heredoc of two empty lines", "a<<EOF\n\n\nEOF\n", [["a", "\n"]]],
  ["a delimiter without a line end", "a<<EOF\nx\nEOF", [["a", "x"]]],
  ["a delimiter with = in it", "a<<E=F\nx\nE=F\n", [["a", "x"]]],
  ["a delimiter with a space, verbatim", "a<< EOF\nEOF\n EOF\n", [["a", "EOF"]]],
  ["only the exact delimiter ends", "a<<EOF\nEOF \n EOF\neof\nEOF\n", [["a", "EOF \n EOF\neof"]]],
  [
    "a CR stays in value and delimiter",
    "a=b\r\nc<<EOF\r\nx\r\nEOF\r\n",
    [
      ["a", "b\r"],
      ["c", "x\r"],
    ],
  ],
  [
    "names as they are",
    " a b =c\n$x=y\n",
    [
      [" a b ", "c"],
      ["$x", "y"],
    ],
  ],
  [
    "the same name twice",
    "a=1\na=2\n",
    [
      ["a", "1"],
      ["a", "2"],
    ],
  ],
  ["a NUL", "a=\0b\n", [["a", "\0b"]]],
  ["__proto__", "__proto__=x\n", [["__proto__", "x"]]],
];

const BAD: readonly (readonly [text: string, pairs: Pairs, problem: string])[] = [
  ["a=1\nfoo\nb=2\n", [["a", "1"]], "Invalid format 'foo'"],
  ["=x\n", [], "Invalid format '=x'. Name must not be empty"],
  ["<<EOF\nx\nEOF\n", [], "Invalid format '<<EOF'. Name must not be empty and delimiter must not be empty"],
  ["a<<\nx\n", [], "Invalid format 'a<<'. Name must not be empty and delimiter must not be empty"],
  ["a=1\nb<<EOF\nx\n", [["a", "1"]], "Invalid value. Matching delimiter not found 'EOF'"],
  ["b<<EOF\n", [], "Invalid value. Matching delimiter not found 'EOF'"],
  ["b<<EOF", [], "Invalid value. Matching delimiter not found 'EOF'"],
  ["b<<EOF\nx", [], "Invalid value. EOF marker missing new line."],
  ["b<<EOF\nx\nEOF ", [], "Invalid value. EOF marker missing new line."],
];

describe("parseKeyValueFile", () => {
  it.each(GOOD)("reads %s", (_, text, pairs) => {
    expect(parseKeyValueFile(Buffer.from(text))).toEqual({ pairs, problem: undefined });
  });

  it.each(BAD)("keeps the pairs before the bad line of %j", (text, pairs, problem) => {
    expect(parseKeyValueFile(Buffer.from(text))).toEqual({ pairs, problem });
  });

  it.each([
    ["UTF-8", Buffer.from("\ufeffa=é\n")],
    ["UTF-16, little end first", Buffer.from("\ufeffa=é\n", "utf16le")],
    ["UTF-16, big end first", Buffer.from("\ufeffa=é\n", "utf16le").swap16()],
    ["UTF-32, little end first", utf32("\ufeffa=é\n")],
    ["UTF-32, big end first", utf32("\ufeffa=é\n").swap32()],
  ])("takes a byte order mark of %s", (_, content) => {
    expect(parseKeyValueFile(content).pairs).toEqual([["a", "é"]]);
  });

  it("refuses what is too large, before reading it, and what has too many entries, after the first 1,000 (SECURITY-RELIABILITY A14)", () => {
    const large = parseKeyValueFile(Buffer.alloc(100 << 20, "a=b\n"));
    expect(large).toEqual({ pairs: [], problem: "The file is larger than 1048576 bytes" });
    expect(parseKeyValueFile(Buffer.alloc(MAX_COMMAND_FILE_BYTES, "\n")).problem).toBeUndefined();
    const many = parseKeyValueFile(Buffer.from("a=b\n".repeat(MAX_COMMAND_FILE_ENTRIES + 1)));
    expect(many.pairs.length).toBe(MAX_COMMAND_FILE_ENTRIES);
    expect(many.problem).toBe("The file has more than 1000 entries");
    expect(parseKeyValueFile(Buffer.from("a=b\n".repeat(MAX_COMMAND_FILE_ENTRIES))).problem).toBeUndefined();
  });

  it("is linear in a file of openings that never close", () => {
    expect(parseKeyValueFile(Buffer.from("a<<E\n".repeat(200_000))).problem).toContain("Matching delimiter not found");
  });

  const anyText = fc.string({
    unit: fc.constantFrom("a", "=", "<", "<<", "\n", "\r", " ", "é", "😀", "\0", "%", "EOF"),
  });
  const anyName = anyText.filter((name) => name !== "" && !/[\n=]|<<|<$/.test(name));

  it("reads back whatever @actions/core writes", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyName, anyText)), fc.boolean(), (pairs, hasLastLineEnd) => {
        const delimiter = "ghadelimiter_3f1b6b9c-6f0e-4a37-9d8e-0a4c7f2f9b11";
        const text = pairs.map(([name, value]) => `${name}<<${delimiter}\n${value}\n${delimiter}\n`).join("");
        const content = Buffer.from(hasLastLineEnd ? text : text.slice(0, -1));
        expect(parseKeyValueFile(content)).toEqual({ pairs, problem: undefined });
      }),
      { numRuns: 1000 },
    );
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), anyText, (bytes, text) => {
        const { pairs } = parseKeyValueFile(Buffer.concat([bytes, Buffer.from(text)]));
        for (const [name] of pairs) expect(name).not.toBe("");
      }),
    );
  });
});

describe("parsePathFile", () => {
  it("takes a directory a line, as it is, and ignores blank lines", () => {
    expect(parsePathFile(Buffer.from("/a/bin\n\n /b c:$HOME\r\n/d\r/e"))).toEqual({
      paths: ["/a/bin", " /b c:$HOME", "/d", "/e"],
      problem: undefined,
    });
  });

  it("is bounded (SECURITY-RELIABILITY A14)", () => {
    expect(parsePathFile(Buffer.alloc(MAX_COMMAND_FILE_BYTES + 1, "/a\n")).problem).toContain("larger");
    const many = parsePathFile(Buffer.from("/a\n".repeat(MAX_COMMAND_FILE_ENTRIES + 1)));
    expect(many.paths.length).toBe(MAX_COMMAND_FILE_ENTRIES);
    expect(many.problem).toContain("more than 1000");
  });
});

/** Little end first. */
function utf32(text: string): Buffer {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  const bytes = Buffer.alloc(codes.length * 4);
  for (const [index, code] of codes.entries()) bytes.writeUInt32LE(code, index * 4);
  return bytes;
}
