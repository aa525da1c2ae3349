/**
 * The moment of a kept run that a person names, opened: the machine's files and the job's state as they were. A run that went on from another
 * one has that one's moments too, as far as it had come to them.
 */
import { randomUUID } from "node:crypto";
import { basename } from "node:path";
import type { OpenCheckpoint, StoredCheckpoint } from "../checkpoint/checkpoint-store.ts";
import { readSavedJob } from "../engine/saved-job.ts";
import type { SavedJob } from "../engine/saved-job.ts";
import type { RunRecord } from "../store/run-record.ts";
import type { StoredRun } from "../store/run-store.ts";
import { findMoment, nearestCheckpoint } from "./find-moment.ts";
import type { Moment, StepWish } from "./find-moment.ts";
import type { Hearth, OpenMachine } from "./hearth.ts";
import { collectEffects } from "./outside-effects.ts";
import type { OutsideEffects } from "./outside-effects.ts";
import { readRecord } from "./read-record.ts";

export interface OpenMoment extends OpenKept {
  readonly stored: StoredRun;
  readonly record: RunRecord;
  /** What was asked for; the checkpoint lies before it or at it. */
  readonly moment: Moment;
  readonly effects: OutsideEffects;
}

export interface OpenKept extends AsyncDisposable {
  readonly checkpoint: StoredCheckpoint;
  readonly saved: SavedJob;
  /** Of the machine, until disposal. */
  readonly directory: string;
}

/** Runs that went on from one another. */
const MAX_ANCESTORS = 100;

/** `prefix`: of a run's id; undefined: the latest. Throws RUN_NOT_FOUND, BAD_USAGE, CHECKPOINT_NOT_FOUND, CHECKPOINT_UNUSABLE. */
export async function openMoment(hearth: Hearth, prefix: string | undefined, wish: StepWish): Promise<OpenMoment> {
  const stored = await hearth.store.find(prefix);
  const effects = collectEffects();
  const record = await readRecord(hearth.store, stored, effects.note);
  const moment = findMoment(stored.run, record, wish);
  const checkpoint = nearestCheckpoint(await checkpointsOf(hearth, stored.run, record), moment);
  return { stored, record, moment, effects, ...(await openKept(hearth, checkpoint)) };
}

/** Throws CHECKPOINT_NOT_FOUND, CHECKPOINT_UNUSABLE. */
export async function openKept(hearth: Hearth, checkpoint: StoredCheckpoint): Promise<OpenKept> {
  // A thread of its own decrypts.
  hearth.prepareMachine(checkpoint.provider);
  const opened: OpenCheckpoint = await hearth.checkpoints.open(checkpoint);
  try {
    const saved = readSavedJob(opened.engine);
    const { directory } = opened;
    const dispose = (): PromiseLike<void> => opened[Symbol.asyncDispose]();
    return { checkpoint, saved, directory, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** A machine as it was then; `prefix` begins its id, `group` is as `MachineWish` has it. */
export async function machineAt(
  hearth: Hearth,
  { checkpoint, saved, directory }: OpenKept,
  prefix: string,
  signal: AbortSignal,
  group?: string,
): Promise<OpenMachine> {
  const { provider } = await hearth.chooseProvider(checkpoint.provider);
  const id = `${prefix}-${randomUUID().slice(0, 13)}`;
  const { image } = saved.machine;
  const repository = basename(saved.shell.cwd);
  return hearth.openMachine(
    { provider, id, image, saved: { ...saved.machine, directory }, repository, network: [], group },
    signal,
  );
}

/** What is asked for and what is there need not be the same: said to who asked. */
export function placeOf({ moment, checkpoint }: Pick<OpenMoment, "moment" | "checkpoint">): string {
  const { job, step, name } = moment;
  const place = `run ${checkpoint.run}, job ${job}, before step ${checkpoint.step}`;
  return checkpoint.step === step
    ? `${place}: ${name}`
    : `${place}, the nearest checkpoint before step ${step}: ${name}`;
}

/** Its own, and of the runs that it goes on from those before the step where it does. */
export async function checkpointsOf(
  hearth: Hearth,
  run: string,
  record: RunRecord,
): Promise<readonly StoredCheckpoint[]> {
  const found = [...(await hearth.checkpoints.list(run))];
  let { from } = record;
  for (let depth = 0; from !== undefined && depth < MAX_ANCESTORS; depth += 1) {
    const { run: parent, job, step } = from;
    const kept = await hearth.checkpoints.list(parent);
    found.push(...kept.filter((one) => one.job === job && one.step <= step));
    from = await fromOf(hearth, parent);
  }
  return found;
}

/** A run may have been pruned, and its checkpoints not. */
async function fromOf({ store }: Hearth, run: string): Promise<RunRecord["from"]> {
  const stored = (await store.list()).find((one) => one.run === run);
  return stored && (await readRecord(store, stored)).from;
}
