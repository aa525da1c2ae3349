/**
 * `dangerous-triggers`: runs that a stranger's pull request starts and that have the repository's secrets all the same. To check
 * out what the stranger wrote there is to run it with them (SECURITY-RELIABILITY A25).
 * Source: https://securitylab.github.com/resources/github-actions-preventing-pwn-requests/
 */
import type { Template } from "../expression/template.ts";
import type { Workflow } from "../workflow/workflow.ts";
import { resolvedReads } from "./lint-scope.ts";
import type { LintScope } from "./lint-scope.ts";
import { inputOf } from "./linted.ts";
import type { Draft, LintedStep } from "./linted.ts";
import { readsOf } from "./reads.ts";
import type { SourceText } from "./source-text.ts";
import { matchesPath, patterns } from "./untrusted.ts";

export function lintTriggers(
  { triggers }: Workflow,
  steps: readonly LintedStep[],
  source: SourceText,
): readonly Draft[] {
  const dangerous = triggers.filter(({ event }) => TRIGGERS.includes(event));
  const [first] = dangerous;
  if (first === undefined) return [];
  const checkouts = steps.flatMap((linted) => headCheckouts(linted, first.event, source));
  if (checkouts.length > 0) return checkouts;
  return dangerous
    .filter(({ event }) => event !== "issue_comment")
    .map(({ event, at }) => ({
      rule: "dangerous-triggers",
      severity: "note",
      at,
      key: `on.${event}`,
      message: `${event} can be started by a stranger's pull request, and has the repository's secrets and write access`,
      fix: "Run nothing and believe nothing that the pull request brings; where no secret is needed, use pull_request",
    }));
}

const TRIGGERS: readonly string[] = ["pull_request_target", "workflow_run", "issue_comment"];

function headCheckouts({ step, key, scope }: LintedStep, event: string, source: SourceText): readonly Draft[] {
  if (step.kind !== "uses" || !/^actions\/checkout@/i.test(step.uses)) return [];
  const found = ["repository", "ref"].flatMap((name) => {
    const template = inputOf(step, name);
    return template === undefined
      ? []
      : headReads(template, scope, source).map((read) => ({ ...read, name, template }));
  });
  return found.slice(0, 1).map(({ at, text, name, template }) => ({
    rule: "dangerous-triggers",
    severity: "error",
    at,
    near: template.at,
    key: `${key}.with.${name}`,
    message: `${event} runs with the repository's secrets, and this checks out what a stranger wrote (${text})`,
    fix: "Check out the base; or do this in a workflow on pull_request, which has no secrets, and hand over its results",
  }));
}

function headReads(template: Template, scope: LintScope, source: SourceText) {
  return source.expressionsIn(template).flatMap(({ expr, at }) => {
    const read = resolvedReads(readsOf(expr), scope).find((one) => HEAD.some((pattern) => matchesPath(one, pattern)));
    return read === undefined ? [] : [{ at, text: read.text }];
  });
}

/** A number stands in `refs/pull/<number>/merge`. */
const HEAD = patterns(
  "github.head_ref",
  "github.event.(number|pull_request.number|issue.number|pull_request.merge_commit_sha)",
  "github.event.pull_request.head.**",
  "github.event.workflow_run.(head_branch|head_sha|head_commit.**|head_repository.**|pull_requests.**)",
);
