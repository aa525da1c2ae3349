/**
 * A record's jobs as people read them: those of a called workflow below the job that called it, each with the part of its key
 * that is its own (`deploy / build` below `deploy` is `build`). Pure. Every job is there once, whatever the events said.
 */
import type { JobRecord } from "../store/run-record.ts";

export interface PlacedJob {
  readonly job: JobRecord;
  /** How many calls it is below the run's own workflow. */
  readonly depth: number;
  readonly label: string;
}

export function placeJobs(jobs: readonly JobRecord[]): readonly PlacedJob[] {
  const placed: PlacedJob[] = [];
  const seen = new Set<JobRecord>();

  function place(job: JobRecord, depth: number): void {
    if (seen.has(job)) return;
    seen.add(job);
    placed.push({ job, depth, label: labelOf(job) });
    for (const called of jobs) if (called.caller === job.job) place(called, depth + 1);
  }

  for (const job of jobs) if (job.caller === undefined) place(job, 0);
  // What says that it was called, by a job that nothing was heard of.
  for (const job of jobs) place(job, 0);
  return placed;
}

function labelOf({ job, caller }: JobRecord): string {
  const prefix = `${caller ?? ""} / `;
  return caller !== undefined && job.startsWith(prefix) ? job.slice(prefix.length) : job;
}
