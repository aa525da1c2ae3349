/**
 * Which jobs of an earlier run need not run again: those that ended well, when everything they need did too. All others do,
 * also those that the record does not know or that have other steps now. Pure; the engine takes it as `EarlierAttempt`.
 */
import type { EarlierAttempt } from "../engine/run-settings.ts";
import { countSteps } from "../plan/plan-jobs.ts";
import type { PlannedJob, PlannedWorkflow } from "../plan/plan.ts";
import type { JobKey } from "../store/run-event.ts";
import type { JobRecord, RunRecord } from "../store/run-record.ts";

export interface FailedJobs<P extends PlannedWorkflow> {
  readonly succeeded: EarlierAttempt["succeeded"];
  /** The plan without the jobs that were not in that run, and that none of it needs: what nobody asked for then is not asked for now. */
  readonly plan: P;
  /** Ids of the plan's own jobs that run again, in its order; empty: there is nothing to do. */
  readonly again: readonly string[];
  /** Why a job runs again although nothing of it failed, or not at all, for people. */
  readonly differences: readonly string[];
}

/** `forced`: a job that is to run again however it ended, and with it all that need it. */
export function failedJobs<P extends PlannedWorkflow>(whole: P, record: RunRecord, forced?: JobKey): FailedJobs<P> {
  const known = jobsOfRun(whole, record);
  const { declared, held } = countSteps(known);
  const plan: P = { ...whole, jobs: known, declaredSteps: declared, heldSteps: held };
  const succeeded = new Map<JobKey, { readonly outputs: JobRecord["outputs"] }>();
  const differences = whole.jobs
    .filter((planned) => !known.includes(planned))
    .map(({ job }) => `${job.id} was not in that run, and is left out`);

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
      const isForced = ({ job }: JobRecord): boolean => forced === job || forced?.startsWith(`${job} / `) === true;
      if (!goesOn || !records.every(endedWell) || records.some(isForced)) again.push(id);
      if (!goesOn) continue;
      for (const job of records) {
        if (conclusionOf(job) === "success" && !isForced(job)) succeeded.set(job.job, { outputs: job.outputs });
        if (planned.called?.kind === "called") visit(planned.called.plan, job.job);
      }
    }
    return again;
  }

  const again = visit(plan, undefined);
  return { succeeded, plan, again, differences };
}

/** Those that were in the run, and what they need now. */
function jobsOfRun({ jobs }: PlannedWorkflow, record: RunRecord): readonly PlannedJob[] {
  const ids = new Set(record.jobs.filter(({ caller }) => caller === undefined).map(({ id }) => id));
  for (const { job } of jobs.toReversed()) if (ids.has(job.id)) for (const need of job.needs) ids.add(need);
  return jobs.filter(({ job }) => ids.has(job.id));
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
