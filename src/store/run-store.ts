/**
 * Where runs are kept: a port, types only. A run is one append-only stream of `RunEvent`s; everything else about it is
 * folded from that stream (`run-record.ts`). One process writes a run, any number read it, also while it is written.
 */
import type { RunEvent, RunEventBody } from "./run-event.ts";

export interface RunStore {
  /**
   * Takes the next run number of this workflow in this repository; a further attempt keeps the number of the one before. Safe from any
   * number of processes at once.
   */
  create(run: NewRun): Promise<RunWriter>;
  /** Newest first. A run that cannot be read is left out of the list rather than hiding the others. */
  list(): Promise<readonly StoredRun[]>;
  /** By id or the beginning of one; without it the newest. Throws RUN_NOT_FOUND when none or more than one fits. */
  find(prefix: string | undefined): Promise<StoredRun>;
  /**
   * The events in their order, to the end of what is written now. A line torn by a crash ends the stream without an error. Throws
   * RUN_NOT_FOUND where the run is not kept any more.
   */
  read(run: string): AsyncIterable<RunEvent>;
  /** Forgets a run and all that is kept of it; nothing when it is gone already. Never to be called for one that is going on. */
  remove(run: string): Promise<void>;
}

export interface NewRun {
  /** Absolute path of the repository; run numbers count for each workflow of each repository. */
  readonly repository: string;
  /** Relative to the repository, as in `Workflow.path`. */
  readonly workflow: string;
  /** GitHub's name of the event. */
  readonly event: string;
  /** An earlier attempt, by id; one that is not kept any more makes this a run with a number of its own. */
  readonly attemptOf?: string | undefined;
}

export interface RunWriter {
  /** Short, `[a-z0-9]+`, sorts by time of creation. */
  readonly run: string;
  /** From 1. */
  readonly runNumber: number;
  /**
   * Adds the time, keeps the event and returns it as it will be read. Buffered: written in batches, at the end of a step, a job
   * and the run, and at least every 100 ms. Never throws: when the disk refuses, `flush` and `close` say so, and later events
   * are not written, so that what is kept is a true prefix.
   */
  append(event: RunEventBody): RunEvent;
  /** Resolves when everything appended is on the disk. Throws STATE_UNWRITABLE. */
  flush(): Promise<void>;
  /** Flushes and closes. Safe to call twice; throws as `flush` does. Nothing may be appended afterwards. */
  close(): Promise<void>;
}

export interface StoredRun extends Omit<NewRun, "attemptOf"> {
  readonly run: string;
  readonly runNumber: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** `run-name:` evaluated; undefined where none is given, and before the run has said it. */
  readonly title: string | undefined;
  /** From 1. */
  readonly attempt: number;
  /** The first attempt, where this is a later one. */
  readonly firstRun?: string | undefined;
  readonly state: RunState;
}

/**
 * `lost`: its process is gone and it never said how it ended. `killed`: by a signal, or by the kernel for want of memory, while
 * the host ran on.
 */
export type RunState =
  | { readonly status: "in_progress" }
  | { readonly status: "lost"; readonly cause: "killed" | "host_restarted" }
  | { readonly status: "completed"; readonly ending: Extract<RunEvent, { type: "run_completed" }> };
