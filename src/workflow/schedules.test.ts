import { describe, expect, it } from "vitest";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { readWorkflow } from "./read-workflow.ts";

/** What reading a workflow with this entry of `on.schedule` says; `cron` is on line 3. */
function said(...entry: readonly string[]): readonly string[] {
  const [first = "", ...rest] = entry;
  const schedule = [`    - ${first}`, ...rest.map((line) => `      ${line}`)];
  const jobs = ["jobs:", "  a: { runs-on: ubuntu-latest, steps: [{ run: 'true' }] }", ""];
  const read = readWorkflow(".github/workflows/ci.yml", ["on:", "  schedule:", ...schedule, ...jobs].join("\n"));
  const diagnostics = read.kind === "read" ? read.warnings : read.diagnostics;
  return diagnostics.map((diagnostic) => formatDiagnostic(diagnostic));
}

describe("on.schedule", () => {
  it("takes an expression and an IANA time zone", () => {
    expect(said("cron: '30 5 * * 1-5'", "timezone: America/New_York")).toEqual([]);
    expect(said("cron: '*/5 * * * *'")).toEqual([]);
  });

  it("refuses what is no schedule, and what is no time zone, with its place", () => {
    expect(said("cron: '@daily'")).toEqual([
      expect.stringMatching(/^\.github\/workflows\/ci\.yml:3:13: error: Invalid cron expression\./u),
    ]);
    expect(said("cron: '0 0 * * *'", "timezone: Mars/Olympus")).toEqual([
      ".github/workflows/ci.yml:4:17: error: Invalid timezone 'Mars/Olympus'. Expected an IANA name such as 'Europe/Berlin' (on.schedule[0].timezone)",
    ]);
    expect(said("cron: '0 0 * * *'", "timezone: '+02:00'")).toHaveLength(1);
  });

  it("warns of a schedule that GitHub does not keep", () => {
    expect(said("cron: '*/2 * * * *'")).toEqual([
      ".github/workflows/ci.yml:3:13: warning: GitHub runs a schedule at most every 5 minutes (on.schedule[0].cron)",
    ]);
  });
});
