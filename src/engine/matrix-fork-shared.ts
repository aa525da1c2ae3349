/** What became, for one cell of a matrix, of steps that another cell ran for it (`matrix-fork.ts`). Pure. */
import type { Fate, JobKey, StepResult } from "../store/run-event.ts";

interface SharedStep {
  /** The job that ran it: its log is there. */
  readonly job: JobKey;
  readonly outcome: StepResult;
  readonly conclusion: StepResult;
}

/** By number. */
export type SharedSteps = ReadonlyMap<number, SharedStep>;

type UnrunFate = Exclude<Fate, { readonly kind: "ran" }>;

/** For the cells that share the step. */
export function sharedFate(steps: SharedSteps, number: number): UnrunFate {
  const step = steps.get(number);
  if (step === undefined) throw new Error(`Step ${number} was not shared`);
  const continued = step.outcome === step.conclusion ? "" : ", continued";
  return { kind: "skipped", reason: `shared with job ${step.job}: ${step.outcome}${continued}`, shared: step };
}

/** What `job` has to share of it; undefined: it did not come to its turn. */
export function sharedStepOf(job: JobKey, fate: Fate): SharedStep | undefined {
  if (fate.kind === "ran") return { job, outcome: fate.outcome, conclusion: fate.conclusion };
  if (fate.kind !== "skipped") return undefined;
  return fate.shared ?? { job, outcome: "skipped", conclusion: "skipped" };
}

/** Why a cell failed although none of its own steps did. */
export function sharedFailure(steps: SharedSteps | undefined): string | undefined {
  const failed = [...(steps ?? [])].find(([, { conclusion }]) => conclusion === "failure");
  return failed && `its step ${failed[0]}, shared with job ${failed[1].job}, failed`;
}
