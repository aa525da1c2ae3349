/** A job that runs, as its visitors see it (`door/live-job.ts`). */
import type { LiveJob } from "../door/live-job.ts";
import type { JobRun } from "./job-run.ts";
import { shellPlace } from "./shell-place.ts";

export function liveJob(job: JobRun): LiveJob {
  const { instance, machine } = job;
  return {
    job: instance.key,
    id: instance.job.id,
    machine: machine.id,
    isolation: machine.isolation,
    agent: () => machine.agent,
    place: () => shellPlace(job),
    pausedAt: () => job.pause?.step,
    decide: (decision) => job.pause?.decide(decision) ?? false,
  };
}
