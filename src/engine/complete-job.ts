/** The one place where a job ends in the record. */
import type { RunEventBody } from "../store/run-event.ts";
import type { InstanceEnd } from "./job-end.ts";
import type { JobInstance } from "./job-run.ts";
import type { RunContext } from "./run-context.ts";
import type { Job } from "../workflow/workflow.ts";

type Completed = Extract<RunEventBody, { readonly type: "job_completed" }>;

export interface JobCompletion {
  /** On the run's clock; undefined for a job of which nothing ran. */
  readonly startedAt?: number;
  readonly environment?: Completed["environment"] | undefined;
}

/** Gives the end back. */
export function completeJob(
  { emit, dependencies, ended }: Pick<RunContext, "emit" | "dependencies" | "ended">,
  { key }: Pick<JobInstance<Job>, "key">,
  end: InstanceEnd,
  { startedAt, environment }: JobCompletion = {},
): InstanceEnd {
  const { conclusion, reason, outputs, tolerated, unsupported } = end;
  if (conclusion !== "skipped") ended.set(key, { conclusion, outputs, tolerated });
  emit({
    type: "job_completed",
    job: key,
    conclusion,
    reason,
    outputs,
    ...(unsupported === undefined ? {} : { unsupported }),
    ...(environment === undefined ? {} : { environment }),
    durationMs: startedAt === undefined ? 0 : Math.round(dependencies.now() - startedAt),
  });
  return end;
}
