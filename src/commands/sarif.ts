/** Findings as SARIF 2.1.0, which GitHub's code scanning and editors read. Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/ */
import type { Position } from "../lib/diagnostic.ts";
import type { LintReport } from "../select/lint-files.ts";

export function sarifLog({ findings, diagnostics }: LintReport): object {
  const results = [
    ...findings.map(({ rule, severity, file, at, message, fix }) =>
      result(rule, severity, file, at, `${message}. ${fix}`),
    ),
    ...diagnostics.map(({ file, at, message }) => result(UNREADABLE, "error", file, at, message)),
  ];
  const rules = [...new Set(results.map(({ ruleId }) => ruleId))].map((id) => ({ id }));
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [{ tool: { driver: { name: "hearth", rules } }, results }],
  };
}

const UNREADABLE = "unreadable-workflow";

function result(
  ruleId: string,
  level: "error" | "warning" | "note",
  file: string,
  at: Position | undefined,
  text: string,
) {
  const region = at === undefined ? {} : { region: { startLine: at.line, startColumn: at.column } };
  const uri = file.split("/").map(encodeURIComponent).join("/");
  return {
    ruleId,
    level,
    message: { text },
    locations: [{ physicalLocation: { artifactLocation: { uri }, ...region } }],
  };
}
