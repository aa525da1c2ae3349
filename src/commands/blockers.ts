/** Why a planned workflow must not start. Looked at before any machine is asked for, so that nothing is found out half-way. */
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { PlanResult, Way } from "../plan/plan.ts";

/** In the order of the file; empty when the workflow may start. */
export function blockersOf(result: PlanResult): readonly Diagnostic[] {
  if (result.kind === "refused") return result.diagnostics;
  return result.warnings.filter(({ kind }) => kind !== "warning").toSorted(byPlace);
}

/** Also inside composite actions, however deep. */
export function unsupportedWays(way: Way): readonly Extract<Way, { kind: "unsupported" }>[] {
  if (way.kind === "unsupported") return [way];
  return way.kind === "composite" ? way.steps.flatMap((step) => unsupportedWays(step.way)) : [];
}

/** What has no place concerns the whole file and comes first. */
function byPlace(a: Diagnostic, b: Diagnostic): number {
  return (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0);
}
