/**
 * The order in which jobs are taken up: a job after all its needs, otherwise as the file has them. The reader has checked
 * the graph already; it is checked again here, because a job that is lost here would be a job that never ran.
 * Source: ACTIONS-CONTRACT §3.3 and §3.4.
 */
import type { Job } from "../workflow/workflow.ts";

export type JobOrder =
  | { readonly kind: "ordered"; readonly jobs: readonly Job[] }
  /** `jobs` wait for one another, or for a job that is not there. */
  | { readonly kind: "stuck"; readonly jobs: readonly Job[] };

/** Of the jobs that could come next the one that stands first in the file does. */
export function orderJobs(jobs: readonly Job[]): JobOrder {
  const waitingFor = new Map(jobs.map((job) => [job.id, new Set(job.needs)]));
  const dependents = dependentsOf(jobs);
  const ready = jobs.flatMap((job, index) => (job.needs.length === 0 ? [index] : []));
  const ordered: Job[] = [];
  for (let index = ready.shift(); index !== undefined; index = ready.shift()) {
    const job = jobs[index];
    if (job === undefined) break;
    ordered.push(job);
    for (const dependent of dependents.get(job.id) ?? []) {
      const waiting = waitingFor.get(jobs[dependent]?.id ?? "");
      if (waiting?.delete(job.id) !== true || waiting.size > 0) continue;
      const place = ready.findIndex((other) => other > dependent);
      ready.splice(place === -1 ? ready.length : place, 0, dependent);
    }
  }
  if (ordered.length === jobs.length) return { kind: "ordered", jobs: ordered };
  const done = new Set(ordered);
  return { kind: "stuck", jobs: jobs.filter((job) => !done.has(job)) };
}

/** The job and everything it needs, near and far, in the order they had. */
export function withNeeds(jobs: readonly Job[], selected: Job): readonly Job[] {
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const kept = new Set<Job | undefined>([selected]);
  // A set that grows while it is walked is walked to its end.
  for (const job of kept) for (const need of job?.needs ?? []) kept.add(byId.get(need));
  return jobs.filter((job) => kept.has(job));
}

function dependentsOf(jobs: readonly Job[]): ReadonlyMap<string, readonly number[]> {
  const dependents = new Map<string, number[]>();
  for (const [index, job] of jobs.entries()) {
    for (const need of new Set(job.needs)) {
      const others = dependents.get(need);
      if (others === undefined) dependents.set(need, [index]);
      else others.push(index);
    }
  }
  return dependents;
}
