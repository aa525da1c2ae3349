/** `hearth plan --json`: one document. A change of a member is a change of a public format. */
import { plainStepName } from "../engine/step-name.ts";
import { countBySeverity, distinctFindings } from "../lint/finding.ts";
import type { PlannedJob, PlanResult } from "../plan/plan.ts";
import { blockersOf } from "./blockers.ts";
import { lacksSelected } from "./sort-results.ts";
import type { Selection } from "../select/select-workflows.ts";

export function planDocument({ event, results, findings }: Selection): object {
  const plans = results.flatMap((result) => (result.kind === "refused" ? [] : [result.plan]));
  return {
    event: { name: event.name, ref: event.ref, sha: event.sha },
    workflows: results.map((result, index) => ({ ...workflowDocument(result), findings: findings[index] ?? [] })),
    totals: {
      workflows: results.length,
      jobs: plans.reduce((total, { workflow }) => total + workflow.jobs.length, 0),
      steps: plans.reduce((total, { workflow }) => total + workflow.declaredSteps, 0),
      refused: results.filter((result) => result.kind === "refused" && !lacksSelected(result, results)).length,
      findings: countBySeverity(distinctFindings(findings)),
    },
  };
}

function workflowDocument(result: PlanResult): object {
  if (result.kind === "refused") return { path: result.path, status: result.kind, diagnostics: result.diagnostics };
  const { plan, warnings } = result;
  return {
    path: plan.workflow.path,
    name: plan.workflow.name ?? null,
    status: result.kind,
    ...(result.kind === "not_triggered" ? { reason: result.reason } : {}),
    declaredSteps: plan.declaredSteps,
    heldSteps: plan.heldSteps,
    jobs: plan.jobs.map(jobDocument),
    diagnostics: [...warnings.filter(({ kind }) => kind === "warning"), ...blockersOf(result)],
  };
}

function jobDocument({ job, cells, steps, called, unsupported }: PlannedJob): object {
  return {
    id: job.id,
    needs: job.needs,
    ...(job.kind === "call" ? { calls: job.uses } : {}),
    ...(called?.kind === "called"
      ? { workflow: called.plan.workflow.path, jobs: called.plan.jobs.map(jobDocument) }
      : {}),
    ...(unsupported === undefined ? {} : { unsupported }),
    cells,
    steps: steps.map(({ step, way }) => ({ number: step.number, name: plainStepName(step), line: step.at.line, way })),
  };
}
