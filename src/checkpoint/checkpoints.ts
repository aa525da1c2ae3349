/** What the engine needs of whoever keeps checkpoints: a port, so that the engine knows neither files nor keys. */
import type { JobKey } from "../store/run-event.ts";

export interface Checkpoints {
  /** `steps`: before each step. `auto`: as often as costs at most a twentieth of the run. */
  readonly when: "auto" | "steps";
  /** Where a machine of about this size is to be saved. Throws STATE_UNWRITABLE. */
  begin(expectedBytes: number): Promise<CheckpointDraft>;
}

/** Disposing removes what was not kept. */
export interface CheckpointDraft extends AsyncDisposable {
  readonly directory: string;
  /** Resolves when the checkpoint is there for good. Throws STATE_UNWRITABLE; then nothing of it is. */
  keep(checkpoint: TakenCheckpoint, engine: Buffer): Promise<{ machineBytes: number; addedBytes: number }>;
}

/** All that a machine has to be made with again. */
export interface SavedMachine {
  readonly provider: string;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly image: string | undefined;
  readonly certificateAuthorities: string | undefined;
}

export interface TakenCheckpoint {
  readonly provider: string;
  readonly run: string;
  readonly job: JobKey;
  /** Number of the declared step before which it was taken. */
  readonly step: number;
  readonly stepName: string;
  /** How long the machine was held up for it. */
  readonly tookMs: number;
}
