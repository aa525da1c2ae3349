/** `unpinned-uses`: a tag or a branch of somebody else's can be moved to other code after it was looked at (SECURITY-RELIABILITY A23). */
import type { Workflow } from "../workflow/workflow.ts";
import type { Draft, LintedStep } from "./linted.ts";

export function lintUses(steps: readonly LintedStep[]): readonly Draft[] {
  return steps.flatMap(({ step, key }) =>
    step.kind === "uses" ? judge(step.uses, { at: step.usesAt, key: `${key}.uses` }) : [],
  );
}

export function lintCalls({ jobs }: Workflow): readonly Draft[] {
  return jobs.flatMap((job) =>
    job.kind === "call" ? judge(job.uses, { at: job.usesAt, key: `jobs.${job.id}.uses` }) : [],
  );
}

function judge(uses: string, place: Pick<Draft, "at" | "key">): readonly Draft[] {
  if (/^[.$][/\\]/.test(uses)) return [];
  if (/^docker:\/\//i.test(uses)) {
    if (/@sha256:[0-9a-f]{64}$/i.test(uses)) return [];
    const message = `'${uses}' is whatever image has this name when it runs`;
    return [
      { ...place, rule: "unpinned-uses", severity: "warning", message, fix: "Name the image by its digest, @sha256:…" },
    ];
  }
  const ref = uses.slice(uses.lastIndexOf("@") + 1);
  if (/^[0-9a-f]{40}$/i.test(ref)) return [];
  const isGitHubs = /^(?:actions|github)\//i.test(uses);
  const message = `'${uses}' is whatever '${ref}' means when it runs, and its owner can move that`;
  const fix = "Name the commit by all 40 digits of its id, and the version in a comment";
  return [{ ...place, rule: "unpinned-uses", severity: isGitHubs ? "note" : "warning", message, fix }];
}
