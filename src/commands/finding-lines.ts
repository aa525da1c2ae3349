/** Findings as lines for people. Text of files is made safe here. */
import { countBySeverity } from "../lint/finding.ts";
import type { Finding, Severity } from "../lint/finding.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";

/** `ci.yml:14:9: warning: template-injection: …`, in the form that editors and terminals turn into a link. */
export function findingLine({ file, at, severity, rule, message }: Finding): string {
  return plainText(`${file}:${at.line}:${at.column}: ${severity}: ${rule}: ${message}`);
}

/** `12 findings: 1 error, 5 warnings, 6 notes` */
export function findingsTotal(findings: readonly Finding[]): string {
  const counts = countBySeverity(findings);
  const severities: readonly Severity[] = ["error", "warning", "note"];
  const parts = severities.filter((one) => counts[one] > 0).map((one) => counted(counts[one], one));
  return `${counted(findings.length, "finding")}${parts.length === 0 ? "" : `: ${parts.join(", ")}`}`;
}

/** Notes are for who asks for them. */
export function withoutNotes(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ severity }) => severity !== "note");
}
