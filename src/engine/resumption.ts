/** Going on from a checkpoint: which job, from where, and what it was then. */
import type { SavedMachine } from "./checkpoints.ts";
import type { JobRun } from "./job-run.ts";
import type { SavedJob } from "./saved-job.ts";

export interface Resumption {
  /** The run that the checkpoint is of. */
  readonly run: string;
  readonly saved: SavedJob;
  readonly machine: SavedMachine & {
    /** Of the saved machine: read when the job starts, and not after that. */
    readonly directory: string;
  };
  /** Number of the last step to run, and then nothing else of the workflow runs either; undefined: all of them. */
  readonly until?: number;
  /** Called before its first step: the machine is as it was saved. */
  readonly prepare?: (job: JobRun) => Promise<void>;
}
