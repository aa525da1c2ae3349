/**
 * `--skip-unsupported`: the same plan, in which each job and matrix cell that cannot run here says so. Nothing is taken out of
 * the plan: those jobs are skipped when their turn comes, with the reason as the fate of each of their steps, and what needs
 * them is skipped by GitHub's rules.
 */
import type { Scope } from "../expression/evaluate.ts";
import type { Plan, PlannedJob, PlannedWorkflow } from "./plan.ts";
import { contextsOfRun, faultsOfPlanned, scopesOf } from "./unsupported.ts";
import type { RunKnowledge } from "./unsupported.ts";

export function leaveOutUnsupported(plan: Plan, known: RunKnowledge): Plan {
  return { ...plan, jobs: markedJobs(plan, contextsOfRun(plan, known), known) };
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
