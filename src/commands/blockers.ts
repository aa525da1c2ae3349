/**
 * Why a planned workflow must not start: what its diagnostics say and every step that has no way to run. Looked at before any
 * machine is asked for, so that nothing is found out half-way. Pure.
 */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Plan, PlannedStep, PlanResult, Way } from "../plan/plan.ts";

/** In the order of the file; empty when the workflow may start. */
export function blockersOf(result: PlanResult): readonly Diagnostic[] {
  if (result.kind === "refused") return result.diagnostics;
  return [...result.warnings.filter(({ kind }) => kind !== "warning"), ...unsupportedSteps(result.plan)].toSorted(
    byPlace,
  );
}

function unsupportedSteps({ workflow, jobs }: Plan): readonly Diagnostic[] {
  return jobs.flatMap(({ job, steps }) =>
    steps.flatMap((planned) =>
      unsupportedWays(planned.way).map(({ what, fix }): Diagnostic => ({
        kind: "unsupported",
        file: workflow.path,
        at: planned.step.kind === "uses" ? planned.step.usesAt : planned.step.at,
        key: keyOf(job.id, planned),
        message: `${what} is unsupported; ${fix}`,
      })),
    ),
  );
}

/** Also inside composite actions, however deep. */
export function unsupportedWays(way: Way): readonly Extract<Way, { kind: "unsupported" }>[] {
  if (way.kind === "unsupported") return [way];
  return way.kind === "composite" ? way.steps.flatMap((step) => unsupportedWays(step.way)) : [];
}

function keyOf(job: string, { step }: PlannedStep): string {
  const key = `jobs.${job}.steps[${step.number - 1}]`;
  return step.kind === "uses" ? `${key}.uses` : key;
}

/** What has no place concerns the whole file and comes first. */
function byPlace(a: Diagnostic, b: Diagnostic): number {
  return (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0);
}
