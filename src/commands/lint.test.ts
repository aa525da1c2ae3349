import { describe, expect, it } from "vitest";
import type { Finding } from "../lint/finding.ts";
import { run } from "./fake-command-line.ts";
import { planned, refused } from "./fake-hearth.ts";

const at = { line: 14, column: 9 };
const key = "jobs.a.steps[0].run";
const error: Finding = {
  rule: "template-injection",
  severity: "error",
  file: ".github/workflows/ci.yml",
  at,
  key,
  message: "github.head_ref\u001b[2J becomes part of the script",
  fix: "Give it to the step by env:",
};
const warning: Finding = { ...error, rule: "unpinned-uses", severity: "warning", message: "moves" };
const note: Finding = { ...warning, severity: "note", message: "moves too" };
const broken = {
  kind: "error" as const,
  file: "bad.yml",
  at: { line: 1, column: 2 },
  key: undefined,
  message: "not YAML",
};

describe("hearth lint", () => {
  it("shows each finding with what to do, and the sum last; findings are advice", async () => {
    const { code, stdout, hearth } = await run(["lint"], { lint: { files: 3, findings: [error, note] } });
    expect({ code, calls: hearth.calls }).toEqual({ code: 0, calls: ["lint default"] });
    expect(stdout.split("\n")).toEqual([
      ".github/workflows/ci.yml:14:9: error: template-injection: github.head_ref becomes part of the script",
      "    Give it to the step by env:",
      ".github/workflows/ci.yml:14:9: note: unpinned-uses: moves too",
      "    Give it to the step by env:",
      "3 workflows  2 findings: 1 error, 1 note",
      "",
    ]);
    expect((await run(["lint"], {})).stdout).toBe("1 workflow  0 findings\n");
  });

  it("exits with 3 for an error when it is strict, and for a file that cannot be read", async () => {
    expect((await run(["lint", "--strict"], { lint: { findings: [error] } })).code).toBe(3);
    expect((await run(["lint", "--strict"], { lint: { findings: [warning, note] } })).code).toBe(0);
    const { code, stdout } = await run(["lint"], { lint: { diagnostics: [broken] } });
    expect(code).toBe(3);
    expect(stdout).toContain("bad.yml:1:2: error: not YAML\n");
  });

  it("gives one JSON document", async () => {
    const { stdout } = await run(["lint", "--json"], { lint: { findings: [error], diagnostics: [broken] } });
    expect(JSON.parse(stdout)).toEqual({
      findings: [error],
      diagnostics: [{ kind: "error", file: "bad.yml", at: { line: 1, column: 2 }, message: "not YAML" }],
      totals: { workflows: 1, error: 1, warning: 0, note: 0 },
    });
  });

  it("gives SARIF", async () => {
    const { stdout } = await run(["lint", "--sarif"], { lint: { findings: [note], diagnostics: [broken] } });
    const log: unknown = JSON.parse(stdout);
    expect(log).toMatchObject({
      version: "2.1.0",
      runs: [
        {
          tool: { driver: { name: "hearth", rules: [{ id: "unpinned-uses" }, { id: "unreadable-workflow" }] } },
          results: [
            {
              ruleId: "unpinned-uses",
              level: "note",
              message: { text: "moves too. Give it to the step by env:" },
              locations: [
                {
                  physicalLocation: {
                    artifactLocation: { uri: ".github/workflows/ci.yml" },
                    region: { startLine: 14, startColumn: 9 },
                  },
                },
              ],
            },
            { ruleId: "unreadable-workflow", level: "error" },
          ],
        },
      ],
    });
    expect((await run(["lint", "--sarif", "--json"])).code).toBe(2);
  });
});

describe("findings elsewhere", () => {
  const results = [planned("ci.yml"), refused("bad.yml"), planned("other.yml")];
  const findings = [[error, note], [], [warning]];

  it("stand below their workflow in hearth plan, notes only in the sum, and an action's are counted once", async () => {
    const { stdout } = await run(["plan"], { results, findings: [[error, note], [], [error, warning]] });
    expect(stdout.match(/ {2}\.github\/workflows\/ci\.yml:14:9: error: template-injection/g)).toHaveLength(2);
    expect(stdout).not.toContain("moves too");
    expect(stdout).toContain("\n3 findings: 1 error, 1 warning, 1 note; hearth lint shows them all\n");
  });

  it("are in hearth plan --json", async () => {
    const document: unknown = JSON.parse((await run(["plan", "--json"], { results, findings })).stdout);
    expect(document).toMatchObject({
      workflows: [{ findings: [error, note] }, { findings: [] }, { findings: [warning] }],
      totals: { findings: { error: 1, warning: 1, note: 1 } },
    });
  });

  it("are only counted by hearth run, without notes", async () => {
    const { stdout } = await run(["run"], { results, findings });
    expect(stdout).toContain("\n2 findings: 1 error, 1 warning; hearth lint shows them\n");
    expect(stdout).not.toContain("template-injection");
    expect((await run(["run"], { results, findings: [[note]] })).stdout).not.toContain("finding");
  });

  it("refuse a workflow only when that is asked for", async () => {
    for (const command of ["run", "plan"]) {
      expect((await run([command, "--strict"], { results })).hearth.requests[0]?.strict).toBe(true);
      expect((await run([command], { results })).hearth.requests[0]?.strict).toBeUndefined();
    }
  });
});
