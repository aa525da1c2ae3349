/** With `--strict` a workflow in which a stranger could run commands is not started (SECURITY-RELIABILITY A12, A25). */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Finding, Rule } from "./finding.ts";

export function strictDiagnostics(findings: readonly Finding[]): readonly Diagnostic[] {
  return findings
    .filter(({ severity }) => severity === "error")
    .map(({ rule, file, at, key, message, fix }) => {
      const code = CODES[rule] ?? rule;
      return { kind: "error", file, at, key, message: `${code}: ${message}. ${fix} (or silence ${rule})` };
    });
}

/** For scripts that look for them. */
const CODES: { readonly [rule in Rule]?: string } = {
  "template-injection": "E_UNTRUSTED_EXPR",
  "dangerous-triggers": "E_PWN_REQUEST",
};
