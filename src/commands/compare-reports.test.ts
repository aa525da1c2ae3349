import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { differencesBetween, readReport } from "./compare-reports.ts";
import type { StepReport } from "./compare-reports.ts";

const report: StepReport = {
  outcome: "success",
  outputs: { a: "1" },
  variables: { A: "x" },
  path: ["/opt/a"],
  files: { f: "644 sha256:0" },
  otherFiles: "none",
};

function turned(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).toReversed());
}

describe("two reports", () => {
  it("of the same differ in nothing, whatever the order", () => {
    const names = fc.dictionary(fc.string(), fc.string());
    fc.assert(
      fc.property(names, names, (outputs, files) => {
        const one = { ...report, outputs, files };
        expect(differencesBetween(one, { ...one, outputs: turned(outputs), files: turned(files) })).toEqual([]);
      }),
    );
  });

  it.each<readonly [string, Partial<StepReport>]>([
    ["outcome outcome", { outcome: "failure" }],
    ["output a", { outputs: { a: "2" } }],
    ["output b", { outputs: { a: "1", b: "2" } }],
    ["variable A", { variables: { A: null } }],
    ["path PATH", { path: [] }],
    ["file f", { files: {} }],
    ["file others", { otherFiles: "some" }],
  ])("differ in %s", (expected, change) => {
    const found = differencesBetween(report, { ...report, ...change });
    expect(found.map(({ of, name }) => `${of} ${name}`)).toEqual([expected]);
  });

  it("take an empty output for none", () => {
    expect(differencesBetween(report, { ...report, outputs: { a: "1", b: "" } })).toEqual([]);
  });
});

describe("a report", () => {
  it("is read whole or not at all", () => {
    expect(readReport(JSON.stringify(report))).toEqual(report);
    for (const text of ["", "{}", "null", "[", JSON.stringify({ ...report, path: [1] }), "x".repeat(2 << 20)]) {
      expect(readReport(text)).toBeUndefined();
    }
  });
});
