import type { PlannedJob, PlannedWorkflow } from "./plan.ts";

/** In the order of the plan; after a job that calls a workflow, those of what it calls. */
export function jobsOf({ jobs }: PlannedWorkflow): readonly PlannedJob[] {
  return jobs.flatMap((job) => [job, ...(job.called?.kind === "called" ? jobsOf(job.called.plan) : [])]);
}
