/**
 * Which jobs of an earlier run need not run again: those that ended well, when everything they need did too. All others do,
 * also those that the record does not know or that have other steps now. Pure; the engine takes it as `EarlierAttempt`.
 */
import type { EarlierAttempt } from "../engine/run-settings.ts";
import type { PlannedJob, PlannedWorkflow } from "../plan/plan.ts";
import type { JobKey } from "../store/run-event.ts";
import type { JobRecord, RunRecord } from "../store/run-record.ts";

export interface FailedJobs {
  readonly succeeded: EarlierAttempt["succeeded"];
  /** Ids of the plan's own jobs that run again, in its order; empty: there is nothing to do. */
  readonly again: readonly string[];
  /** Why a job runs again although nothing of it failed, for people. */
  readonly differences: readonly string[];
}

export function failedJobs(plan: PlannedWorkflow, record: RunRecord): FailedJobs {
  const succeeded = new Map<JobKey, { readonly outputs: JobRecord["outputs"] }>();
  const differences: string[] = [];

  /** The ids that did not end well, or depend on one that did not. */
  function visit(workflow: PlannedWorkflow, caller: JobKey | undefined): string[] {
    const again: string[] = [];
    for (const planned of workflow.jobs) {
      const { id, needs } = planned.job;
      const records = record.jobs.filter((job) => job.caller === caller && job.id === id);
      const difference = differenceOf(planned, records);
      if (difference !== undefined)
        differences.push(`${caller === undefined ? "" : `${caller} / `}${id} ${difference}`);
      const goesOn = difference === undefined && needs.every((need) => !again.includes(need));
      if (!goesOn || !records.every(endedWell)) again.push(id);
      if (!goesOn) continue;
      for (const job of records) {
        if (conclusionOf(job) === "success") succeeded.set(job.job, { outputs: job.outputs });
        if (planned.called?.kind === "called") visit(planned.called.plan, job.job);
      }
    }
    return again;
  }

  const again = visit(plan, undefined);
  return { succeeded, again, differences };
}

/** A skipped job is asked again for its condition, and keeps nobody from having ended well. */
function endedWell(job: JobRecord): boolean {
  const conclusion = conclusionOf(job);
  return conclusion === "success" || conclusion === "skipped";
}

function conclusionOf({ state }: JobRecord): string | undefined {
  return state.status === "completed" ? state.conclusion : undefined;
}

/** Undefined where the job is what it was, as far as the record tells. */
function differenceOf({ steps, called }: PlannedJob, records: readonly JobRecord[]): string | undefined {
  if (records.length === 0) return "was not in that run";
  if (called !== undefined) return undefined;
  const changed = records.some(
    (job) =>
      conclusionOf(job) === "success" && job.steps.filter(({ phase }) => phase === "main").length !== steps.length,
  );
  return changed ? "has other steps than in that run" : undefined;
}
