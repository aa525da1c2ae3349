import { describe, expect, it } from "vitest";
import { MAX_MATCHER_FILE_BYTES, parseMatcherFile } from "./matcher-file.ts";

const file = (...matchers: readonly unknown[]): Buffer => Buffer.from(JSON.stringify({ problemMatcher: matchers }));
const only = (pattern: unknown, more: object = {}): Buffer => file({ owner: "x", pattern: [pattern], ...more });

/** ACTIONS-CONTRACT §2.3. */
describe("parseMatcherFile", () => {
  it.each([
    ["no owner", file({ pattern: [{ regexp: "(.)", message: 1 }] }), "Owner must not be empty"],
    ["no pattern", file({ owner: "x", pattern: [] }), "Matcher 'x' does not contain any patterns"],
    [
      "an unknown severity",
      only({ regexp: "(.)", message: 1 }, { severity: "fatal" }),
      "Matcher 'x' contains unexpected default severity 'fatal'",
    ],
    ["no message", only({ regexp: "(.)", file: 1 }), "At least one pattern must set 'message'"],
    [
      "a group that does not exist",
      only({ regexp: "(.)", message: 2 }),
      "The property 'message' is set to 2 which is out of range",
    ],
    [
      "a negative group",
      only({ regexp: "(.)", message: -1 }),
      "The property 'message' is set to -1 which is out of range",
    ],
    [
      "a property set twice",
      file({
        owner: "x",
        pattern: [
          { regexp: "(.)", file: 1 },
          { regexp: "(.)", file: 1, message: 1 },
        ],
      }),
      "The property 'file' is set twice",
    ],
    [
      "a loop in a single pattern",
      only({ regexp: "(.)", message: 1, loop: true }),
      "Only the last pattern in a multiline matcher may set 'loop'",
    ],
    [
      "a loop that is not last",
      file({ owner: "x", pattern: [{ regexp: "." }, { regexp: "(.)", message: 1, loop: true }, { regexp: "." }] }),
      "Only the last pattern in a multiline matcher may set 'loop'",
    ],
    [
      "a loop without message",
      file({
        owner: "x",
        pattern: [
          { regexp: "(.)", message: 1 },
          { regexp: "(.)", file: 1, loop: true },
        ],
      }),
      "The loop pattern must set 'message'",
    ],
    [
      "two matchers of one owner",
      file(...["x", "X"].map((owner) => ({ owner, pattern: [{ regexp: "(.)", message: 1 }] }))),
      "Duplicate owner name 'X'",
    ],
    ["an expression that is none", only({ regexp: "(", message: 1 }), "Matcher 'x': Invalid regular expression"],
    [
      "an expression of another language",
      only({ regexp: "(?i)(a)", message: 1 }),
      "Matcher 'x': Invalid regular expression",
    ],
    ["a wrong type", only({ regexp: "(.)", message: {} }), "problemMatcher.0.pattern.0.message: Invalid input"],
    ["something that is not JSON", Buffer.from("{"), "Not JSON: "],
    ["a list", Buffer.from("[]"), "Invalid input"],
    ["too many bytes", Buffer.alloc(MAX_MATCHER_FILE_BYTES + 1, " "), "The file is larger than 262144 bytes"],
  ])("refuses %s", (_, content, message) => {
    expect(parseMatcherFile(content)).toEqual({ kind: "problem", message: expect.stringContaining(message) });
  });

  it("refuses an expression that takes forever on an empty line", () => {
    const answer = parseMatcherFile(only({ regexp: "(?:|x?){40}\\b(.*)$", message: 1 }));
    expect(answer).toMatchObject({ kind: "problem" });
  });

  it("takes numbers in quotes, group 0, unknown keys and a byte order mark, as GitHub does", () => {
    const text = `\ufeff${only({ regexp: "(?<name>.)", message: "1", line: 0, x: 1 }).toString()}`;
    const answer = parseMatcherFile(Buffer.from(text));
    expect(answer).toMatchObject({ kind: "matchers", matchers: [{ owner: "x", severity: "error" }] });
  });

  it("takes a file without matchers", () => {
    expect(parseMatcherFile(Buffer.from("{}"))).toEqual({ kind: "matchers", matchers: [] });
  });
});
