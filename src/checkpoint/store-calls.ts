/** What the store asks of its thread, and how a failure comes back from it. */
import type { ErrorCode } from "../lib/engine-error.ts";
import type { CheckpointDescription, CheckpointName, StoredCheckpoint } from "./checkpoint.ts";

export interface ThreadSettings {
  readonly directory: string;
  readonly key: Uint8Array;
  readonly limitBytes: number;
}

export type StoreCall =
  | {
      readonly kind: "keep";
      readonly source: string;
      readonly description: CheckpointDescription;
      readonly engine: Uint8Array;
    }
  | { readonly kind: "open"; readonly checkpoint: CheckpointName; readonly target: string }
  /** `all`: also those that this key does not open. */
  | { readonly kind: "remove"; readonly which: CheckpointName | { readonly run: string } | "all" };

export type StoreAnswer =
  | { readonly kind: "kept"; readonly stored: StoredCheckpoint }
  | { readonly kind: "opened"; readonly description: StoredCheckpoint; readonly engine: Uint8Array }
  /** How many indexes. */
  | { readonly kind: "removed"; readonly count: number }
  | { readonly kind: "absent" }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly message: string; readonly hint: string | undefined }
  /** By the operating system: `ENOSPC: no space left on device, write`. */
  | { readonly kind: "failed"; readonly reason: string }
  /** A fault of ours. */
  | { readonly kind: "broken"; readonly stack: string };

export interface AskedCall {
  readonly id: number;
  readonly call: StoreCall;
}

export interface AnsweredCall {
  readonly id: number;
  readonly answer: StoreAnswer;
}
