/**
 * `hearth lint`: what in the workflows lets others do more than their author meant. Findings are advice, so they end with success;
 * with `--strict` those that `hearth run --strict` refuses end as a refused workflow does, and so does a file that cannot be read.
 */
import { resolve } from "node:path";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { countBySeverity } from "../lint/finding.ts";
import type { LintReport } from "../select/lint-files.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import { findingLine, findingsTotal } from "./finding-lines.ts";
import type { Hearth } from "./hearth.ts";
import { sarifLog } from "./sarif.ts";
import type { Output, Terminal } from "./terminal.ts";

export interface LintCommandOptions {
  readonly strict?: boolean;
  readonly json?: boolean;
  readonly sarif?: boolean;
}

export async function lint(
  hearth: Hearth,
  { out }: Terminal,
  path: string | undefined,
  options: LintCommandOptions,
): Promise<ExitCode> {
  const report = await hearth.lint(path === undefined ? undefined : resolve(path));
  if (options.sarif === true) out.write(`${JSON.stringify(sarifLog(report), undefined, 2)}\n`);
  else if (options.json === true) out.write(`${JSON.stringify(lintDocument(report), undefined, 2)}\n`);
  else printReport(out, report);
  const isRefused = options.strict === true && report.findings.some(({ severity }) => severity === "error");
  return isRefused || report.diagnostics.length > 0 ? exitCode.workflow : exitCode.success;
}

/** A change of a member is a change of a public format. */
function lintDocument({ files, findings, diagnostics }: LintReport): object {
  return { findings, diagnostics, totals: { workflows: files, ...countBySeverity(findings) } };
}

function printReport(out: Output, { files, findings, diagnostics }: LintReport): void {
  const { dim, red, yellow } = out.colors;
  const paint = { error: red, warning: yellow, note: dim };
  for (const diagnostic of diagnostics) out.write(`${red(plainText(formatDiagnostic(diagnostic)))}\n`);
  for (const finding of findings) {
    out.write(`${paint[finding.severity](findingLine(finding))}\n`);
    out.write(`    ${dim(plainText(finding.fix))}\n`);
  }
  out.write(`${counted(files, "workflow")}  ${findingsTotal(findings)}\n`);
}
