/**
 * Which moment of a kept run a person means: the step as they name it, and the checkpoint that lies nearest before it. Pure.
 */
import type { StoredCheckpoint } from "../checkpoint/checkpoint-store.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { JobKey } from "../store/run-event.ts";
import type { JobRecord, RunRecord, StepRecord } from "../store/run-record.ts";

export interface StepWish {
  /** Its number, its id, its name, or a part of its name that no other has; undefined: the first one that failed. */
  readonly step: string | undefined;
  readonly job: string | undefined;
}

/** The beginning of a declared step. */
export interface Moment {
  readonly run: string;
  readonly job: JobKey;
  readonly step: number;
  readonly name: string;
}

/** Throws BAD_USAGE, which says what there is. */
export function findMoment(run: string, record: RunRecord, wish: StepWish): Moment {
  const all = record.jobs
    .filter(({ job, id }) => wish.job === undefined || job === wish.job || id === wish.job)
    .flatMap((job) => job.steps.filter(({ phase }) => phase === "main").map((step) => ({ job, step })));
  const { step: named } = wish;
  const found = named === undefined ? all.filter(hasFailed).slice(0, 1) : stepsNamed(all, named);
  const [only] = found;
  if (only !== undefined && found.length === 1) {
    return { run, job: only.job.job, step: Number(only.step.step), name: only.step.name };
  }
  const inJob = wish.job === undefined ? "" : ` of job ${wish.job}`;
  if (named === undefined) {
    throw new EngineError("BAD_USAGE", `No step${inJob} of run ${run} failed`, { hint: "Name the step to go back to" });
  }
  const which = found.length === 0 ? `has no step '${named}'${inJob}` : `has more than one step '${named}'${inJob}`;
  const shown = (found.length === 0 ? all : found).map(({ job, step }) => `${job.job} ${step.step}: ${step.name}`);
  throw new EngineError("BAD_USAGE", `Run ${run} ${which}`, { hint: `It has ${shown.slice(0, MAX_SHOWN).join("; ")}` });
}

/** Throws CHECKPOINT_NOT_FOUND. */
export function nearestCheckpoint(kept: readonly StoredCheckpoint[], moment: Moment): StoredCheckpoint {
  const { run, job, step } = moment;
  // Of two before one step the first in the list is that of the run itself.
  const before = kept
    .filter((one) => one.job === job && one.step <= step)
    .toSorted((one, other) => other.step - one.step);
  const [nearest] = before;
  if (nearest !== undefined) return nearest;
  const hint =
    kept.length === 0
      ? "Run it with --checkpoint steps: then each of its steps can be gone back to"
      : `There is one before ${kept.map((one) => `step ${one.step} of ${one.job}`).join(", ")}`;
  throw new EngineError("CHECKPOINT_NOT_FOUND", `No checkpoint of run ${run} lies before step ${step} of ${job}`, {
    hint,
  });
}

const MAX_SHOWN = 20;

interface StepOfJob {
  readonly job: JobRecord;
  readonly step: StepRecord;
}

function hasFailed({ step: { state } }: StepOfJob): boolean {
  return state.status === "completed" && state.fate.kind === "ran" && state.fate.conclusion === "failure";
}

/** A number is that step's; an id wins over a name, and a name over a part of one. */
function stepsNamed(all: readonly StepOfJob[], word: string): readonly StepOfJob[] {
  const wanted = word.toLowerCase();
  const byNumber = all.filter(({ step }) => step.step === word);
  const byId = all.filter(({ step }) => step.id?.toLowerCase() === wanted);
  const byName = all.filter(({ step }) => step.name.toLowerCase() === wanted);
  const byPart = all.filter(({ step }) => step.name.toLowerCase().includes(wanted));
  return [byNumber, byId, byName, byPart].find((found) => found.length > 0) ?? [];
}
