/**
 * Jobs of which nothing runs: skipped, cancelled before they started, or never reached. Each declared step gets its fate, those
 * of the workflow that a job would have called too, so that nothing is missing from the record.
 */
import { translatedText } from "../action/translated-way.ts";
import type { Fate } from "../store/run-event.ts";
import type { Job } from "../workflow/workflow.ts";
import { completeJob } from "./complete-job.ts";
import { endedAs } from "./job-end.ts";
import type { InstanceEnd } from "./job-end.ts";
import { unexpanded } from "./job-instances.ts";
import type { JobInstance } from "./job-run.ts";
import type { RunContext } from "./run-context.ts";
import { concludeWithoutRunning } from "./report-step.ts";
import type { EndedJob } from "./saved-job.ts";
import { plainStepName } from "./step-name.ts";
import type { WorkflowRun } from "./workflow-run.ts";

type UnrunFate = Exclude<Fate["kind"], "ran">;

/** Says that the job exists, once, before anything else is said of it. */
export function announce({ run, caller }: Pick<WorkflowRun, "run" | "caller">, instance: JobInstance<Job>): void {
  const { key, job, name, steps } = instance;
  run.emit({
    type: "job_planned",
    job: key,
    id: job.id,
    ...(caller === undefined ? {} : { caller: caller.key }),
    ...(job.kind === "call" ? { calls: job.uses } : {}),
    name: run.masker.mask(name),
    steps: steps.map(({ step, way }) => ({
      number: step.number,
      ...(step.idGiven ? { id: step.id } : {}),
      name: run.masker.mask(plainStepName(step)),
      way: way.kind === "translated" ? translatedText(way.by) : way.kind,
    })),
  });
}

/** For a job that has been announced. */
export function endWithoutRunning(
  run: RunContext,
  instance: JobInstance<Job>,
  conclusion: "skipped" | "failure" | "cancelled",
  reason: string,
  fate: UnrunFate = conclusion === "failure" ? "not_reached" : conclusion,
): InstanceEnd {
  return unrun(run, instance, { kind: fate, reason }, endedAs(conclusion, reason));
}

/** Ended in an earlier run: recorded as what it came to then, so that an attempt after this one can go on from it. */
export function endAsEarlier(
  run: RunContext,
  instance: JobInstance<Job>,
  reason: string,
  { conclusion, outputs, tolerated }: EndedJob,
): InstanceEnd {
  return unrun(run, instance, { kind: "skipped", reason }, { ...endedAs(conclusion, reason), outputs, tolerated });
}

/** `--skip-unsupported`: skipped, with the reason as the fate of each of its steps. For a job that has been announced. */
export function leaveOut(run: RunContext, instance: JobInstance<Job>, why: string): InstanceEnd {
  const reason = `unsupported: ${why}`;
  return unrun(run, instance, { kind: "skipped", reason }, { ...endedAs("skipped", reason), unsupported: true });
}

function unrun(
  run: RunContext,
  instance: JobInstance<Job>,
  fate: { readonly kind: UnrunFate; readonly reason: string },
  end: InstanceEnd,
): InstanceEnd {
  concludeWithoutRunning(run.emit, instance.key, instance.steps, fate);
  endCalledWithoutRunning(run, instance, fate.kind, fate.reason);
  return completeJob(run, instance, end);
}

/** The jobs below a call, when nothing of the called workflow runs. */
export function endCalledWithoutRunning(
  run: RunContext,
  { key, name, called }: JobInstance<Job>,
  fate: UnrunFate,
  reason: string,
): void {
  if (called?.kind !== "called") return;
  const place = { run, caller: { key, name } };
  for (const planned of called.plan.jobs) {
    const inner = unexpanded(place, planned);
    announce(place, inner);
    endWithoutRunning(run, inner, fate === "skipped" ? "skipped" : "cancelled", reason, fate);
  }
}
