/** What is known of a checkpoint beside its bytes, which are the machine's and the job's own. */
import type { TakenCheckpoint } from "./checkpoints.ts";

/** There is one at most for each declared step of a job of a run. */
export interface CheckpointName {
  readonly run: string;
  /** `JobKey`: any text. */
  readonly job: string;
  /** Number of the declared step before which it was taken. */
  readonly step: number;
}

export interface CheckpointDescription extends CheckpointName, TakenCheckpoint {
  /** ISO 8601. */
  readonly at: string;
}

/** `hearth checkpoints list --json` prints it: a change of a member is a change of a public format. */
export interface StoredCheckpoint extends CheckpointDescription {
  /** Of the machine's files. */
  readonly machineBytes: number;
  /** What it added to the disk. */
  readonly addedBytes: number;
}
