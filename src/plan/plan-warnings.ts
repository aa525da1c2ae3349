/** What a plan accepts and does not do as GitHub would: said once for each place, so that nobody relies on it. */
import type { Template } from "../expression/template.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { MatrixSelection } from "./plan-cells.ts";
import type { Plan } from "./plan.ts";

const CONCURRENCY =
  "concurrency has no effect here: runs and jobs do not wait for others of their group, nor cancel them";
const ENVIRONMENT = "the environment's name is used; its protection rules, secrets and variables are not known here";
const SELECTION = "the matrix is known only at run time, so no cells were chosen from it: all of them run";

export function planWarnings({ workflow, jobs }: Plan, selections: readonly MatrixSelection[]): readonly Diagnostic[] {
  const warnings: Diagnostic[] = [];
  const warn = (template: Template | undefined, key: string, message: string): void => {
    if (template !== undefined) warnings.push({ kind: "warning", file: workflow.path, at: template.at, key, message });
  };
  warn(workflow.concurrency, "concurrency", CONCURRENCY);
  for (const { job, cells } of jobs) {
    warn(job.concurrency, `jobs.${job.id}.concurrency`, CONCURRENCY);
    if (job.kind === "steps") warn(job.environment, `jobs.${job.id}.environment`, ENVIRONMENT);
    if (cells !== "dynamic" || selections.length === 0) continue;
    warn(job.strategy?.matrix, `jobs.${job.id}.strategy.matrix`, SELECTION);
  }
  return warnings;
}
