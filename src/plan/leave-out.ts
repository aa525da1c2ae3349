/**
 * `--skip-unsupported`: the same plan, in which each job and matrix cell that cannot run here says so. Nothing is taken out of
 * the plan: those jobs are skipped when their turn comes, with the reason as the fate of each of their steps, and what needs
 * them is skipped by GitHub's rules.
 */
import type { Scope } from "../expression/evaluate.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { PlannedJob, PlanResult, PlannedWorkflow } from "./plan.ts";
import { contextsOfRun, faultsOfPlanned, scopesOf } from "./unsupported.ts";
import type { RunKnowledge } from "./unsupported.ts";

export function leaveOutUnsupported(result: PlanResult, known: RunKnowledge): PlanResult {
  if (result.kind !== "planned") return result;
  const { plan } = result;
  const warnings = result.warnings.map((diagnostic): Diagnostic => {
    if (diagnostic.kind !== "unsupported") return diagnostic;
    return { ...diagnostic, kind: "warning", message: `Left out: ${diagnostic.message}` };
  });
  return { ...result, warnings, plan: { ...plan, jobs: markedJobs(plan, contextsOfRun(plan, known), known) } };
}

/** Jobs that are left out, a matrix cell counting as a job; those of called workflows are counted in. */
export function countLeftOut({ jobs }: PlannedWorkflow): number {
  return jobs.reduce((sum, { cells, called, unsupported }) => {
    if (unsupported !== undefined) return sum + 1;
    if (called?.kind === "called") return sum + countLeftOut(called.plan);
    return sum + (cells === "dynamic" ? 0 : cells.filter((cell) => cell.unsupported !== undefined).length);
  }, 0);
}

function markedJobs(planned: PlannedWorkflow, contexts: Scope["contexts"], known: RunKnowledge): PlannedJob[] {
  return planned.jobs.map((job) => {
    const { called } = job;
    if (called?.kind === "missing")
      return { ...job, unsupported: called.diagnostics[0]?.message ?? "it calls nothing" };
    if (called !== undefined) {
      return {
        ...job,
        called: { ...called, plan: { ...called.plan, jobs: markedJobs(called.plan, contexts, known) } },
      };
    }
    const reasons = scopesOf(job, planned, contexts).map((scope) => reasonOf(job, scope, known));
    if (job.cells === "dynamic") return withReason(job, reasons[0]);
    return { ...job, cells: job.cells.map((cell, index) => withReason(cell, reasons[index])) };
  });
}

/** The first of what stands in the way. */
function reasonOf(job: PlannedJob, scope: Scope, { runners }: RunKnowledge): string | undefined {
  return faultsOfPlanned(job, [scope], runners).find(({ kind }) => kind === "unsupported")?.message;
}

function withReason<T>(part: T, unsupported: string | undefined): T | (T & { readonly unsupported: string }) {
  return unsupported === undefined ? part : { ...part, unsupported };
}
