/** What a plan accepts and cannot do as the person asked: said once for each place, so that nobody relies on it. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { MatrixSelection } from "./plan-cells.ts";
import type { Plan } from "./plan.ts";

export function planWarnings({ workflow, jobs }: Plan, selections: readonly MatrixSelection[]): readonly Diagnostic[] {
  if (selections.length === 0) return [];
  return jobs.flatMap(({ job, cells }): readonly Diagnostic[] => {
    const at = job.strategy?.matrix?.at;
    if (cells !== "dynamic" || at === undefined) return [];
    const message = "the matrix is known only at run time, so no cells were chosen from it: all of them run";
    return [{ kind: "warning", file: workflow.path, at, key: `jobs.${job.id}.strategy.matrix`, message }];
  });
}
