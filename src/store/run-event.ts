/**
 * Everything that happens in a run, as one ordered stream (DESIGN §2.8). The engine appends; the store keeps; the terminal,
 * `--json`, `hearth logs` and the record only read it. Text that a job printed or an author wrote is already masked here.
 * `--json` prints these objects, one a line: a change of a member is a change of a public format.
 */
import type { Isolation, LossCause, ProviderName } from "../provider/provider.ts";

/** A job's key is unique in its run: the job's id, or `id (label)` for a matrix cell; below a call, `caller / id`. */
export type JobKey = string;

/** Outcome and conclusion of a step; conclusion of a job (GitHub's words). */
export type StepResult = "success" | "failure" | "cancelled" | "skipped";
export type Conclusion = "success" | "failure" | "cancelled" | "skipped";

/** What a failed step's machine said about itself. Closed set. */
export type StepTrouble = "out_of_memory" | "disk_full";

/**
 * What became of a declared step. Closed set: ran + skipped + not reached + cancelled = declared, or the run is an error.
 * `skipped`: its turn came and its condition said no, or its job was skipped. `not_reached`: its turn never came.
 */
export type Fate =
  | {
      readonly kind: "ran";
      readonly outcome: StepResult;
      readonly conclusion: StepResult;
      readonly exitCode: number | undefined;
      readonly message: string | undefined;
      /** Absent where the machine was well, or said nothing. */
      readonly trouble?: StepTrouble;
    }
  | {
      readonly kind: "skipped";
      readonly reason: string;
      /** Another cell of its matrix ran it for this one as well (`--matrix-fork`): its log is there, and so it ended. */
      readonly shared?: { readonly job: JobKey; readonly outcome: StepResult; readonly conclusion: StepResult };
    }
  | { readonly kind: "not_reached"; readonly reason: string }
  | { readonly kind: "cancelled"; readonly reason: string };

/** `set_up`, `pre`, `post` and `complete` are the runner's own: shown, kept, and not counted among the declared. */
export type StepPhase = "set_up" | "pre" | "main" | "post" | "complete";

export interface StepRef {
  readonly job: JobKey;
  /** Unique in the job: for `main` the declared number from 1, for the others a name such as `pre-2`, `post-2`, `set-up`. */
  readonly step: string;
}

export interface AnnotationFields {
  readonly level: "notice" | "warning" | "error";
  readonly message: string;
  readonly title: string | undefined;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly endLine: number | undefined;
  readonly column: number | undefined;
  readonly endColumn: number | undefined;
}

/** What planning has asked a model for in this process until the run began: one command's, or all of a server's. */
export interface ModelFigures {
  /** Repairs and retries too. */
  readonly requests: number;
  /** Calls that were saved: by answers that were kept, and by one that was on its way already. */
  readonly cacheHits: number;
  readonly shared: number;
  readonly tokens: number;
}

export type RunEvent = { readonly at: string } & (
  | {
      readonly type: "run_started";
      readonly run: string;
      readonly workflow: { readonly path: string; readonly name: string };
      readonly event: { readonly name: string; readonly sha: string; readonly ref: string };
      /** `run-name:` evaluated; absent where none is given. */
      readonly title?: string;
      /** 2 and more: this run goes on from an earlier one, whose successful jobs are not run again. */
      readonly attempt?: number;
      /** Beside `attempt`: the run that was the first one. All attempts have its `github.run_id`. */
      readonly firstRun?: string;
      /** It goes on from a checkpoint of that run: what was before this step ran there and not here. */
      readonly from?: { readonly run: string; readonly job: JobKey; readonly step: number };
      readonly provider: ProviderName;
      readonly declaredSteps: number;
      /** Absent where no model was needed. */
      readonly model?: ModelFigures;
    }
  | { readonly type: "machine_requested"; readonly machine: string }
  /** There is no place on this host for it now; `lack` completes "waits for". */
  | { readonly type: "machine_waiting"; readonly machine: string; readonly lack: string }
  | {
      readonly type: "machine_ready";
      readonly machine: string;
      readonly isolation: Isolation;
      readonly bootId: string;
      /** It was made before the run asked for it. */
      readonly warm?: true;
      /** From the request, waiting for a place included. */
      readonly durationMs: number;
    }
  | {
      readonly type: "machine_lost";
      readonly machine: string;
      readonly cause: LossCause;
      readonly reason: string;
      readonly console: string;
    }
  | { readonly type: "machine_destroyed"; readonly machine: string }
  /** Says that the job exists, once for each cell, before anything of it starts. */
  | {
      readonly type: "job_planned";
      readonly job: JobKey;
      readonly id: string;
      /** The job whose `uses` called the workflow that this job is of; absent for a job of the run's own workflow. */
      readonly caller?: JobKey;
      /** `uses` of a job that calls a workflow: it has no steps itself, and ends when the called jobs have. */
      readonly calls?: string;
      readonly name: string;
      readonly steps: readonly PlannedStepFields[];
    }
  /** The run (no `job`) or the job waits for others of its `concurrency` group. */
  | { readonly type: "waiting"; readonly job?: JobKey; readonly group: string }
  | { readonly type: "job_started"; readonly job: JobKey; readonly machine: string }
  | ({ readonly type: "step_started"; readonly phase: StepPhase; readonly name: string } & StepRef)
  | ({ readonly type: "log"; readonly line: string } & StepRef)
  | ({ readonly type: "group"; readonly title: string } & StepRef)
  | ({ readonly type: "group_end" } & StepRef)
  | ({ readonly type: "annotation"; readonly annotation: AnnotationFields } & StepRef)
  | ({ readonly type: "step_summary"; readonly markdown: string } & StepRef)
  /** An outside place that the machine asked for while the step ran; said once for each place and answer, when the step has ended. */
  | ({
      readonly type: "egress";
      readonly host: string;
      /** 0 where a request named none. */
      readonly port: number;
      readonly allowed: boolean;
      /** How often it was asked for: connections, or requests of plain HTTP. */
      readonly times: number;
      /** Why it was refused; absent where it was allowed. */
      readonly reason?: string;
    } & StepRef)
  | ({
      readonly type: "step_completed";
      readonly phase: StepPhase;
      readonly name: string;
      readonly fate: Fate;
      readonly durationMs: number;
    } & StepRef)
  /** The step failed, and its job waits until somebody decides. */
  | ({ readonly type: "paused" } & StepRef)
  /** What was decided; `retry`: the step runs again, and its fate is that of its last try. */
  | ({ readonly type: "went_on"; readonly decision: "retry" | "continue" | "abort" } & StepRef)
  /** The machine and the job as they were before that declared step are kept from now on; the machine was held up for so long. */
  | {
      readonly type: "checkpoint";
      readonly job: JobKey;
      readonly before: number;
      readonly durationMs: number;
      readonly machineBytes: number;
      /** On the disk, beside the checkpoints that were there. */
      readonly addedBytes: number;
    }
  /** None could be taken there, and none will be of this job. */
  | { readonly type: "checkpoint_failed"; readonly job: JobKey; readonly before: number; readonly reason: string }
  /**
   * The machine of the job was saved, and held up for so long, before that declared step (one more than the last: after all of them). Those
   * cells of its matrix share what was before it and go on in copies.
   */
  | {
      readonly type: "matrix_fork";
      readonly job: JobKey;
      readonly before: number;
      readonly cells: readonly JobKey[];
      readonly durationMs: number;
    }
  /** Those cells could not go on from the job, and run all of their steps themselves. */
  | {
      readonly type: "matrix_fork_failed";
      readonly job: JobKey;
      readonly cells: readonly JobKey[];
      readonly reason: string;
    }
  /** A job changed something through GitHub's API: what it sent, cut when it is long. */
  | {
      readonly type: "api_write";
      readonly job: JobKey;
      readonly method: string;
      readonly path: string;
      readonly status: number;
      readonly body: string;
    }
  | {
      readonly type: "job_completed";
      readonly job: JobKey;
      readonly conclusion: Conclusion;
      /** Why, where the steps alone do not say it: a skipped condition, a timeout, a lost machine. */
      readonly reason: string | undefined;
      readonly outputs: { readonly [name: string]: string };
      /** `environment:` of the job; the url is absent where none is given, or it holds a secret. */
      readonly environment?: { readonly name: string; readonly url?: string };
      /** It was left out because it cannot run here (`--skip-unsupported`); its conclusion is `skipped`. */
      readonly unsupported?: true;
      readonly durationMs: number;
    }
  | {
      readonly type: "run_completed";
      readonly conclusion: Conclusion;
      /** Set when the run ended by something that is not a step: a lost machine, fates that do not add up. Never with `success`. */
      readonly error: { readonly code: string; readonly message: string } | undefined;
      readonly counts: FateCounts;
      /** Jobs left out with `--skip-unsupported`, cells counted; absent where there are none. */
      readonly unsupportedJobs?: number;
      readonly durationMs: number;
    }
);

interface PlannedStepFields {
  readonly number: number;
  readonly name: string;
  readonly way: string;
  /** Absent where the author gave none. */
  readonly id?: string;
}

export interface FateCounts {
  readonly declared: number;
  readonly ran: number;
  readonly skipped: number;
  readonly notReached: number;
  readonly cancelled: number;
}

/** An event as the engine says it; the writer adds the time. */
export type RunEventBody = RunEvent extends infer E
  ? E extends { readonly at: string }
    ? Omit<E, "at">
    : never
  : never;
