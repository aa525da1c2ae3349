/** Which two checkpoints of a job a person means with one step, or two. Pure. */
import type { StoredCheckpoint } from "../checkpoint/checkpoint-store.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { RunRecord } from "../store/run-record.ts";
import type { Moment } from "./find-moment.ts";

export interface DiffMoments {
  readonly from: StoredCheckpoint;
  readonly to: StoredCheckpoint;
  /** Numbers and names of the declared steps between the two, in their order. */
  readonly steps: readonly { readonly number: number; readonly name: string }[];
  /** What is compared instead of what was asked for, where that was not kept. */
  readonly notes: readonly string[];
}

/**
 * `second`: of the same job; undefined: what comes after the first. `kept`: of the run, and of those that it goes on from. Throws
 * CHECKPOINT_NOT_FOUND, and BAD_USAGE for two steps of different jobs or one and the same.
 */
export function diffMoments(
  kept: readonly StoredCheckpoint[],
  record: RunRecord,
  first: Moment,
  second: Moment | undefined,
): DiffMoments {
  const { job } = first;
  if (second !== undefined && second.job !== job) {
    throw new EngineError("BAD_USAGE", `Step ${first.step} is of job ${job}, step ${second.step} of ${second.job}`, {
      hint: "Name two steps of one job: with --job where its name does not say it",
    });
  }
  const [start, end] = [first, second].toSorted((one, other) => (one?.step ?? Infinity) - (other?.step ?? Infinity));
  if (start === undefined || start.step === end?.step) {
    throw new EngineError("BAD_USAGE", `Both are before step ${first.step}: nothing lies between`);
  }
  const ofJob = kept.filter((one) => one.job === job).toSorted((one, other) => one.step - other.step);
  const from = ofJob.findLast(({ step }) => step <= start.step);
  if (from === undefined) throw notKept(`before step ${start.step}`, start, ofJob);
  const wanted = end?.step ?? start.step + 1;
  const to = ofJob.find(({ step }) => step >= wanted);
  const declared = declaredSteps(record, job);
  if (to === undefined) {
    const isLast = declared.every(({ number }) => number < wanted);
    throw notKept(isLast && end === undefined ? "after the job's last step" : `before step ${wanted}`, start, ofJob);
  }
  const notes = [
    ...(from.step === start.step ? [] : [`Nothing is kept before step ${start.step}: from before step ${from.step}`]),
    ...(to.step === wanted ? [] : [`Nothing is kept before step ${wanted}: up to before step ${to.step}`]),
  ];
  return { from, to, steps: declared.filter(({ number }) => number >= from.step && number < to.step), notes };
}

function declaredSteps(record: RunRecord, job: string): readonly { readonly number: number; readonly name: string }[] {
  const steps = record.jobs.find((one) => one.job === job)?.steps ?? [];
  return steps.filter(({ phase }) => phase === "main").map(({ step, name }) => ({ number: Number(step), name }));
}

function notKept(what: string, { run, job, step }: Moment, ofJob: readonly StoredCheckpoint[]): EngineError {
  const message = `Cannot tell what step ${step} of job ${job} of run ${run} did: nothing is kept ${what}`;
  if (ofJob.length === 0) {
    return new EngineError("CHECKPOINT_NOT_FOUND", message, {
      hint: "Run it with --checkpoint steps: then what each step did can be seen",
    });
  }
  const there = `There is a checkpoint before ${ofJob.map((one) => `step ${one.step}`).join(", ")}`;
  const hint = what.startsWith("after")
    ? `${there}. A step after it, such as \`run: 'true'\`, lets it be seen; \`hearth rewind ${run} --to ${step}\` leads to before it`
    : there;
  return new EngineError("CHECKPOINT_NOT_FOUND", message, { hint });
}
