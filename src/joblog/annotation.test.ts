import { describe, expect, it } from "vitest";
import { annotationFromCommand, parseNumber, pathInWorkspace } from "./annotation.ts";

const WORKSPACE = "/work/repo/repo";

function placeOf(properties: Record<string, string>): unknown {
  const map = new Map(Object.entries(properties).map(([key, value]) => [key.toLowerCase(), value]));
  const { line, endLine, column, endColumn } = annotationFromCommand("error", "m", map, WORKSPACE);
  return { line, endLine, column, endColumn };
}

/** ACTIONS-CONTRACT §2.2. */
describe("annotationFromCommand", () => {
  it.each([
    ["keeps a full place", { line: "1", endLine: "1", col: "2", endColumn: "3" }, [1, 1, 2, 3]],
    ["takes endLine for a missing line", { endLine: "5" }, [5, 5, undefined, undefined]],
    ["takes endColumn for a missing column", { line: "5", endColumn: "7" }, [5, undefined, 7, 7]],
    ["drops columns without any line", { col: "1", endColumn: "2" }, [undefined, undefined, undefined, undefined]],
    [
      "drops columns of several lines",
      { line: "1", endLine: "2", col: "3", endColumn: "4" },
      [1, 2, undefined, undefined],
    ],
    ["drops lines that run backwards", { line: "3", endLine: "2" }, [undefined, undefined, undefined, undefined]],
    ["drops columns that run backwards", { line: "3", col: "9", endColumn: "8" }, [3, undefined, undefined, undefined]],
    ["drops what is no number", { line: "x", col: "-1", endLine: "1e3" }, [undefined, undefined, undefined, undefined]],
  ])("%s", (_, properties, [line, endLine, column, endColumn]) => {
    expect(placeOf(properties as Record<string, string>)).toEqual({ line, endLine, column, endColumn });
  });

  it.each([
    ["/work/repo/repo/src/a.ts", "src/a.ts"],
    ["src/a.ts", "src/a.ts"],
    ["/work/repo/repository/a.ts", "/work/repo/repository/a.ts"],
    ["/work/repo/repo", "/work/repo/repo"],
  ])("shows the file %s as %s", (file, shown) => {
    expect(annotationFromCommand("notice", "m", new Map([["file", file]]), WORKSPACE).file).toBe(shown);
  });
});

describe("parseNumber", () => {
  it.each([
    ["0", 0],
    [" 12 ", 12],
    ["2147483647", 2147483647],
    ["2147483648", undefined],
    ["99999999999999999999", undefined],
    ["1.5", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("reads %j as %j", (text, value) => {
    expect(parseNumber(text)).toBe(value);
  });
});

describe("pathInWorkspace", () => {
  it.each([
    ["src/a.c", undefined, "src/a.c"],
    ["./src/../src/a.c", undefined, "src/a.c"],
    ["a.c", "lib/project.csproj", "lib/a.c"],
    ["a.c", "/work/repo/repo/lib/project.csproj", "lib/a.c"],
    ["/work/repo/repo/a.c", "lib/x", "a.c"],
    ["../other/a.c", undefined, undefined],
    ["/etc/passwd", undefined, undefined],
    [".", undefined, undefined],
  ])("%s from %s lies at %s", (file, fromPath, path) => {
    expect(pathInWorkspace(WORKSPACE, file, fromPath)).toBe(path);
  });
});
