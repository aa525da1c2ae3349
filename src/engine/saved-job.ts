/**
 * A job between two of its steps as one value: with the machine that was saved at the same moment, a job goes on from it in another
 * process. As secret as what the job knows. Written by Node's own serializer, which keeps what JSON loses: objects that are
 * one and the same (the scope of a job and of its posts), NaN, absent members.
 */
import { deserialize, serialize } from "node:v8";
import type { MaskerSnapshot } from "../joblog/masker.ts";
import type { MatcherSetSnapshot } from "../joblog/problem-matcher.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { PlannedJob } from "../plan/plan.ts";
import type { Workflow } from "../workflow/workflow.ts";
import type { Conclusion, JobKey } from "../store/run-event.ts";
import type { SavedMachine } from "../checkpoint/checkpoints.ts";
import type { JobState } from "./job-state.ts";

export interface SavedJob {
  readonly job: JobKey;
  /** Number of the declared step that comes next. */
  readonly step: number;
  readonly machine: SavedMachine;
  readonly state: JobState;
  readonly trackingId: string;
  readonly masks: MaskerSnapshot;
  readonly matchers: MatcherSetSnapshot;
  /** Jobs of the run that had ended, but for those that were skipped: these are asked again. */
  readonly ended: ReadonlyMap<JobKey, EndedJob>;
  readonly texts: JobTexts;
  readonly shell: ShellPlace;
}

export interface EndedJob {
  readonly conclusion: Conclusion;
  readonly outputs: Readonly<Record<string, string>>;
  readonly tolerated: boolean;
}

/** Where and with what a person who looks around finds what the next step would find. */
export interface ShellPlace {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** What was written in the workflow, by which a change is found: positions in the file do not count. */
export interface JobTexts {
  /** `env` and `defaults` of workflow and job: evaluated when the job started. */
  readonly surroundings: string;
  /** By number, from 1. */
  readonly steps: readonly string[];
}

const FORMAT = 1;

export function writeSavedJob(saved: SavedJob): Buffer {
  return serialize({ format: FORMAT, saved });
}

/** Throws CHECKPOINT_UNUSABLE for what another version wrote. `bytes` must have come from `writeSavedJob`. */
export function readSavedJob(bytes: Buffer): SavedJob {
  const value: unknown = deserialize(bytes);
  if (!isWritten(value)) {
    throw new EngineError(
      "CHECKPOINT_UNUSABLE",
      "Cannot go on from this checkpoint: another version of Hearth wrote it",
    );
  }
  return withoutPrototypes(value.saved, new Set());
}

/** Of its own for whoever goes on: a job changes its state, and several may go on from one checkpoint. */
export function stateOf({ state }: SavedJob): JobState {
  return withoutPrototypes(deserialize(serialize(state)), new Set());
}

export function textsOf(
  workflow: Pick<Workflow, "env" | "defaults">,
  { job, steps }: Pick<PlannedJob, "job" | "steps">,
): JobTexts {
  return {
    surroundings: textOf([workflow.env, workflow.defaults, ...(job.kind === "steps" ? [job.env, job.defaults] : [])]),
    steps: steps.map(({ step }) => textOf(step)),
  };
}

function isWritten(value: unknown): value is { readonly saved: SavedJob } {
  return (
    typeof value === "object" && value !== null && "format" in value && value.format === FORMAT && "saved" in value
  );
}

function textOf(part: unknown): string {
  return JSON.stringify(part, (name, value: unknown) => (name === "at" ? undefined : value));
}

/** Names in it are the job's: one may be `__proto__` or `constructor`. */
function withoutPrototypes<T>(value: T, seen: Set<object>): T {
  if (typeof value !== "object" || value === null || seen.has(value)) return value;
  seen.add(value);
  if (value instanceof Map || Array.isArray(value)) for (const one of value.values()) withoutPrototypes(one, seen);
  else {
    Object.setPrototypeOf(value, null);
    for (const one of Object.values(value)) withoutPrototypes(one, seen);
  }
  return value;
}
