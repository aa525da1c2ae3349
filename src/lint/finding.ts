/**
 * What lint has to say of a workflow: that it lets somebody do what its author hardly meant. A finding never stops anything by
 * itself; with `--strict` the errors do. The rules' names are those of zizmor where it has the rule too, so that its comments and
 * documentation hold here (https://docs.zizmor.sh/audits/).
 */
import type { Position } from "../lib/diagnostic.ts";

/** Closed set: comments in people's files and `--json` name them. */
export type Rule =
  | "dangerous-triggers"
  | "excessive-permissions"
  | "insecure-commands"
  | "secrets-in-run"
  | "secrets-inherit"
  | "template-injection"
  | "unpinned-uses";

/** `error`: a stranger can run commands. `warning`: somebody who may do something may do more. `note`: a habit that limits harm. */
export type Severity = "error" | "warning" | "note";

export interface Finding {
  readonly rule: Rule;
  readonly severity: Severity;
  /** As diagnostics name it. */
  readonly file: string;
  readonly at: Position;
  /** Dotted from the root: `jobs.build.steps[2].run`. */
  readonly key: string;
  readonly message: string;
  /** What to do, as an order. */
  readonly fix: string;
}

/** Several workflows may use an action, whose findings each of them has, as the same objects. */
export function distinctFindings(findings: readonly (readonly Finding[])[]): readonly Finding[] {
  return [...new Set(findings.flat())];
}

export function countBySeverity(findings: readonly Finding[]): { readonly [severity in Severity]: number } {
  const count = (severity: Severity): number => findings.filter((finding) => finding.severity === severity).length;
  return { error: count("error"), warning: count("warning"), note: count("note") };
}
