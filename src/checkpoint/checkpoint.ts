/** What is known of a checkpoint beside its bytes: which one it is, and all that a machine has to be made with again. */

/** There is one at most for each declared step of a job of a run. */
export interface CheckpointName {
  readonly run: string;
  /** `JobKey`: any text. */
  readonly job: string;
  /** Number of the declared step before which it was taken. */
  readonly step: number;
}

export interface CheckpointDescription extends CheckpointName {
  readonly stepName: string;
  readonly provider: string;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly image: string | undefined;
  readonly certificateAuthorities: string | undefined;
  /** ISO 8601. */
  readonly at: string;
  /** How long the machine was held up for it. */
  readonly tookMs: number;
}

/** `hearth checkpoints list --json` prints it, but for the certificates: a change of a member is a change of a public format. */
export interface StoredCheckpoint extends CheckpointDescription {
  /** Of the machine's files. */
  readonly machineBytes: number;
  /** What it added to the disk. */
  readonly addedBytes: number;
}
