/**
 * `wait`, `wait-all`, `cancel` and `parallel`: the steps that start, await and end those in the background, and make what
 * they did the job's. They run whatever became of the steps before them. A step that failed in the background fails the step
 * that waits for it, and by that the job; one that was cancelled on purpose fails nothing; one that failed and was only
 * cancelled fails the job after its last step. Source: ACTIONS-CONTRACT §3.4, GitHub's workflow syntax for these keywords, and
 * its runner (`BackgroundStepCoordinator.cs`) where that page says nothing. The two differ on `continue-on-error` of a wait:
 * the page lets the job pass, the runner does not, and here the page is followed.
 */
import type { PlannedStep } from "../plan/plan.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { ControlStep } from "../workflow/workflow.ts";
import type { BackgroundSteps, RunBeside } from "./background-steps.ts";
import type { JobRun } from "./job-run.ts";
import { collect } from "./job-state.ts";
import type { BackgroundStep } from "./job-state.ts";
import { openStepLog } from "./open-step-log.ts";
import { reportStep } from "./report-step.ts";
import { runBody } from "./run-step.ts";
import type { StepEnd } from "./run-step.ts";
import type { Execution, StepPlace, StepRun } from "./step-run.ts";

/** `inner` are the steps of a `parallel`. Throws what the steps it waits for ended the job with. */
export async function runControl(
  job: JobRun,
  step: ControlStep,
  inner: readonly PlannedStep[],
  background: BackgroundSteps,
  run: RunBeside,
  place: StepPlace,
): Promise<StepEnd> {
  const end = await runBody(job, step, place, {
    condition: { kind: "expression", expression: "always()", source: "always()", at: step.at },
    execute: (own) => {
      switch (step.control) {
        case "wait":
          return waitFor(own, named(job, step.targets), background);
        case "wait-all":
          return waitFor(own, notCollected(job), background);
        case "cancel":
          return cancel(own, named(job, step.targets), background);
        case "parallel":
          return waitFor(
            own,
            inner.map((planned) => background.start(job, planned, run)),
            background,
          );
        default:
          return unreachable(step.control);
      }
    },
  });
  if (step.idGiven && end.kind === "ran") job.state.scope.steps[step.id] = end;
  return end;
}

/** GitHub's implicit `wait-all`: before the posts nothing is left in the background. Shown only where there was something. */
export async function collectRest(job: JobRun, background: BackgroundSteps): Promise<void> {
  const { state } = job;
  const rest = state.background.filter((step) => step.collectedBy === undefined || hasFailedUnseen(step));
  if (rest.length > 0 && !job.kill.aborted) await reportRest(job, rest, background);
  // A kill may come at any moment, and nothing may be reported of a job that has ended.
  await background.ended(state.background);
}

async function reportRest(job: JobRun, rest: readonly BackgroundStep[], background: BackgroundSteps): Promise<void> {
  const { state } = job;
  const ref = "wait-all";
  await reportStep(job, { ref, phase: "post", name: "Wait for all background steps" }, async () => {
    const log = openStepLog(job, ref, { outputs: {}, state: {} });
    const execution = await waitFor({ job, log }, rest, background);
    if (job.cancel.aborted) state.status = "cancelled";
    else if (execution.outcome === "failure" && state.status === "success") state.status = "failure";
    return { kind: "ran", ...execution, conclusion: execution.outcome, outputs: {} };
  });
}

type Waiting = Pick<StepRun, "job" | "log">;

async function waitFor(
  { job, log }: Waiting,
  steps: readonly BackgroundStep[],
  background: BackgroundSteps,
): Promise<Execution> {
  log.line(
    steps.length === 0
      ? "No background steps to wait for."
      : `Waiting for background step(s) to complete: ${namesOf(steps)}`,
  );
  await background.ended(steps);
  for (const step of steps) {
    collect(job.state, step, "wait");
    log.line(`  ${step.name}: ${step.left?.result.conclusion ?? "unknown"}`);
  }
  const failed = steps.filter((step) => step.left?.result.conclusion === "failure");
  if (failed.length > 0) return { outcome: "failure", message: `Failed in the background: ${namesOf(failed)}` };
  const cancelled = steps.some((step) => step.left?.result.conclusion === "cancelled" && step.collectedBy === "wait");
  return { outcome: cancelled ? "cancelled" : "success" };
}

async function cancel(
  { job, log }: Waiting,
  steps: readonly BackgroundStep[],
  background: BackgroundSteps,
): Promise<Execution> {
  log.line(`Cancelling background step(s): ${steps.length === 0 ? "none has been started" : namesOf(steps)}`);
  background.stop(steps);
  await background.ended(steps);
  for (const step of steps) {
    collect(job.state, step, "cancel");
    log.line(`  ${step.name}: ${step.left?.result.conclusion ?? "unknown"}`);
  }
  return { outcome: "success" };
}

/** A target that is no background step, or whose turn has not come, is nothing to wait for: as on GitHub. */
function named({ state }: JobRun, targets: readonly string[]): readonly BackgroundStep[] {
  const ids = new Set(targets.map((target) => target.toLowerCase()));
  return state.background.filter(({ id }) => ids.has(id.toLowerCase()));
}

function notCollected({ state }: JobRun): readonly BackgroundStep[] {
  return state.background.filter(({ collectedBy }) => collectedBy === undefined);
}

/** It failed before its `cancel` came, and `cancel` never fails. */
function hasFailedUnseen({ collectedBy, left }: BackgroundStep): boolean {
  return collectedBy === "cancel" && left?.result.conclusion === "failure";
}

function namesOf(steps: readonly BackgroundStep[]): string {
  return steps.map(({ name }) => name).join(", ");
}
