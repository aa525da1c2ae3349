/**
 * How steps enter the record: that one starts, and what became of it. The only place where a fate is said, so that each
 * declared step gets exactly one.
 */
import type { PlannedStep } from "../plan/plan.ts";
import type { Fate, JobKey, StepPhase } from "../store/run-event.ts";
import type { JobRun } from "./job-run.ts";
import { recordEgress } from "./record-egress.ts";
import type { StepEnd } from "./run-step.ts";
import { plainStepName } from "./step-name.ts";

/** Says that a step starts and how it ended; what `work` throws is its failure, and is thrown on. */
export async function reportStep(
  job: JobRun,
  step: { readonly ref: string; readonly phase: StepPhase; readonly name: string },
  work: () => Promise<StepEnd>,
): Promise<StepEnd> {
  const { emit, now } = job;
  const { ref, phase, name } = step;
  const key = job.instance.key;
  const startedAt = now();
  const completed = (fate: Fate): void => {
    // What its process did not live to say: the machine was lost with it, or it had ended.
    recordEgress(job, ref);
    emit({ type: "step_completed", job: key, step: ref, phase, name, fate, durationMs: Math.round(now() - startedAt) });
  };
  emit({ type: "step_started", job: key, step: ref, phase, name });
  try {
    const end = await work();
    completed(fateOf(end, job));
    return end;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    completed({ kind: "ran", outcome: "failure", conclusion: "failure", exitCode: undefined, message });
    throw error;
  }
}

/** One fate for steps that nothing of ran: their job was skipped, cancelled before it started, or lost its machine. */
export function concludeWithoutRunning(
  emit: JobRun["emit"],
  job: JobKey,
  steps: readonly PlannedStep[],
  fate: Exclude<Fate, { kind: "ran" }>,
): void {
  for (const { step } of steps) {
    emit({
      type: "step_completed",
      job,
      step: String(step.number),
      phase: "main",
      name: plainStepName(step),
      fate,
      durationMs: 0,
    });
  }
}

/** For steps whose turn never came. */
export function notReached(emit: JobRun["emit"], job: JobKey, steps: readonly PlannedStep[], reason: string): void {
  concludeWithoutRunning(emit, job, steps, { kind: "not_reached", reason });
}

function fateOf(end: StepEnd, job: JobRun): Fate {
  if (end.kind === "skipped") {
    return job.state.status === "cancelled" && job.cancel.aborted
      ? { kind: "cancelled", reason: "the job was cancelled before this step" }
      : { kind: "skipped", reason: end.reason };
  }
  const { outcome, conclusion, exitCode, message, trouble } = end;
  return { kind: "ran", outcome, conclusion, exitCode, message, ...(trouble === undefined ? {} : { trouble }) };
}
