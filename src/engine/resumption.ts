/** Going on from a checkpoint: which job, from where, and what it was then. */
import type { AgentClient } from "../protocol/agent-client.ts";
import type { SavedMachine } from "../checkpoint/checkpoints.ts";
import type { SharedSteps } from "./matrix-fork-shared.ts";
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
  /** It goes on from another cell of its matrix, in the same run: how what that one ran for it ended. */
  readonly shared?: SharedSteps;
  /** Called before its first step: the machine is as it was saved. */
  readonly prepare?: (machine: ResumedMachine) => Promise<void>;
  /** Called when the last step has ended, of those that end with `until`: the machine is as it left it, and goes afterwards. */
  readonly afterLast?: (machine: EndedMachine, kill: AbortSignal) => Promise<void>;
}

/** Part of `JobMachine`. */
export interface EndedMachine {
  readonly save?: (directory: string, signal: AbortSignal) => Promise<string | undefined>;
}

/** As the job finds it. */
export interface ResumedMachine {
  readonly agent: AgentClient;
  readonly layout: { readonly workspace: string; readonly temp: string };
  readonly environment: Readonly<Record<string, string>>;
}
