/**
 * `template-injection` and `secrets-in-run`: an expression in a script is replaced by its text before the shell reads it, so what
 * it gives is program, not data.
 */
import { readsOf } from "./reads.ts";
import type { Read } from "./reads.ts";
import type { Draft, LintedStep } from "./linted.ts";
import { scriptsOf } from "./linted.ts";
import { resolvedReads, taintsOf } from "./lint-scope.ts";
import type { Taint } from "./lint-scope.ts";
import type { PlacedExpression, SourceText } from "./source-text.ts";

export function lintScripts(steps: readonly LintedStep[], source: SourceText): readonly Draft[] {
  return steps.flatMap((linted) =>
    scriptsOf(linted).flatMap(({ template, key }) =>
      source.expressionsIn(template).flatMap((placed) => {
        const place = { key, at: placed.at, near: template.at };
        return [...injections(placed, linted), ...secrets(placed, linted)].map((draft) => ({ ...draft, ...place }));
      }),
    ),
  );
}

type Judgement = Pick<Draft, "rule" | "severity" | "message" | "fix">;

function injections({ expr }: PlacedExpression, { scope }: LintedStep): readonly Judgement[] {
  return taintsOf(readsOf(expr), scope)
    .slice(0, MAX_OF_ONE_EXPRESSION)
    .map((taint) => ({
      rule: "template-injection",
      severity: SEVERITY[taint.writer],
      message: `${nameOf(taint)} becomes part of the script: ${WHO[taint.writer]} can add commands to it`,
      fix: "Give it to the step by env: and use the variable in the script, quoted",
    }));
}

const MAX_OF_ONE_EXPRESSION = 5;

const SEVERITY: { readonly [writer in Taint["writer"]]: Draft["severity"] } = {
  stranger: "error",
  collaborator: "warning",
  starter: "warning",
  caller: "note",
};

const WHO: { readonly [writer in Taint["writer"]]: string } = {
  stranger: "any stranger who writes it",
  collaborator: "who may push, label or release",
  starter: "who starts this by hand",
  caller: "who calls this",
};

function nameOf({ source, through }: Taint): string {
  return through === undefined ? source : `${source}, through ${through},`;
}

function secrets({ expr }: PlacedExpression, { scope }: LintedStep): readonly Judgement[] {
  const reads = resolvedReads(readsOf(expr), scope);
  const found = reads.filter((read) => isSecret(read));
  return found.slice(0, 1).map((read) => ({
    rule: "secrets-in-run",
    severity: isToken(read) ? "note" : "warning",
    message: `${read.text} becomes part of the script, which is kept in a file and may be printed or split by the shell`,
    fix: "Give it to the step by env: and use the variable in the script, quoted",
  }));
}

function isSecret({ path: [context, name], whole }: Read): boolean {
  if (context === "secrets") return name !== undefined || whole;
  return context === "github" && (name === "token" || (name === undefined && whole));
}

function isToken({ path: [context, name] }: Read): boolean {
  return context === "github" ? name === "token" : name === "github_token";
}
