import { describe, expect, it } from "vitest";
import { parseRange } from "./blob-range.ts";

describe("parseRange", () => {
  it.each([
    { header: "bytes=0-0", range: { from: 0, to: 1 } },
    { header: "bytes=2-5", range: { from: 2, to: 6 } },
    { header: "bytes=4-", range: { from: 4, to: 10 } },
    { header: "bytes=4-99", range: { from: 4, to: 10 } },
    { header: "bytes=10-", range: "unsatisfiable" },
    { header: "bytes=5-2", range: undefined },
    { header: "bytes=-3", range: undefined },
    { header: "bytes=0-1,3-4", range: undefined },
    { header: "bytes=0-99999999999999999999", range: undefined },
    { header: "lines=1-2", range: undefined },
  ])("$header of ten bytes", ({ header, range }) => {
    expect(parseRange(header, 10)).toEqual(range);
  });

  it("satisfies nothing of an empty blob", () => {
    expect(parseRange("bytes=0-", 0)).toBe("unsatisfiable");
  });
});
