/** `insecure-commands`: a switch by which whatever a step prints may set variables and paths (SECURITY-RELIABILITY A13; CVE-2020-15228). */
import type { Template } from "../expression/template.ts";
import type { Workflow } from "../workflow/workflow.ts";
import type { Draft, LintedStep } from "./linted.ts";

export function lintCommands(workflow: Workflow | undefined, steps: readonly LintedStep[]): readonly Draft[] {
  const jobs = workflow?.jobs ?? [];
  return [
    ...judge(workflow?.env, "env"),
    ...jobs.flatMap((job) => (job.kind === "steps" ? judge(job.env, `jobs.${job.id}.env`) : [])),
    ...steps.flatMap(({ step, key }) => judge(step.env, `${key}.env`)),
  ];
}

const SWITCH = "ACTIONS_ALLOW_UNSECURE_COMMANDS";

function judge(env: Template | undefined, key: string): readonly Draft[] {
  const entries = env?.kind === "mapping" ? env.entries : [];
  return entries
    .filter((entry) => entry.key.kind === "literal" && entry.key.value === SWITCH)
    .filter(({ value }) => value.kind !== "literal" || /^true$/i.test(String(value.value)))
    .map((entry) => ({
      rule: "insecure-commands",
      severity: "warning",
      at: entry.key.at,
      key: `${key}.${SWITCH}`,
      message: "With this, whatever a step prints can set variables of the steps after it",
      fix: "Remove it, and write to $GITHUB_ENV and $GITHUB_PATH",
    }));
}
