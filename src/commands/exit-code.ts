/**
 * The process's exit code: a closed set that scripts read (docs/exit-codes.md). 0 is only ever success: at least one step ran
 * and nothing else is to be said.
 */
import type { RunOutcome } from "../engine/run-settings.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { ErrorCode } from "../lib/engine-error.ts";
import { unreachable } from "../lib/unreachable.ts";
import { Cancelled } from "./cancelled.ts";

export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 70 | 130;

export const exitCode = {
  success: 0,
  /** A step failed. */
  failure: 1,
  /** Wrong options, arguments or settings. */
  usage: 2,
  /** A workflow is broken or uses what is not supported. */
  workflow: 3,
  /** No workflow was triggered, or no step ran. */
  nothing: 4,
  /** No machine, a lost machine, a full disk. */
  machine: 5,
  /** What could run went well, and jobs that cannot run here were left out (`--skip-unsupported`). */
  leftOut: 6,
  /** A fault in Hearth. As sysexits' EX_SOFTWARE. */
  bug: 70,
  /** Cancelled. As a shell reports a process ended by SIGINT. */
  cancelled: 130,
} as const satisfies { [name: string]: ExitCode };

/**
 * Worst first. `nothing` comes after success: a workflow whose jobs were all skipped does not spoil one that ran, but where
 * nothing ran at all it is never success.
 */
const worstFirst: readonly ExitCode[] = [
  exitCode.bug,
  exitCode.machine,
  exitCode.workflow,
  exitCode.failure,
  exitCode.cancelled,
  exitCode.usage,
  exitCode.leftOut,
  exitCode.success,
  exitCode.nothing,
];

/** Of nothing at all: `nothing`. */
export function worstExitCode(codes: readonly ExitCode[]): ExitCode {
  return worstFirst.find((code) => codes.includes(code)) ?? exitCode.nothing;
}

export function exitCodeOfOutcome({ conclusion, error, counts, unsupportedJobs }: RunOutcome): ExitCode {
  if (error !== undefined) return exitCodeOfErrorCode(error.code);
  const { declared, ran, skipped, notReached, cancelled } = counts;
  // The engine has checked this; a sum that is wrong here must not leave as success all the same.
  if (ran + skipped + notReached + cancelled !== declared) return exitCode.bug;
  switch (conclusion) {
    case "success":
      if (unsupportedJobs > 0) return exitCode.leftOut;
      return ran === 0 ? exitCode.nothing : exitCode.success;
    case "failure":
      return exitCode.failure;
    case "cancelled":
      return exitCode.cancelled;
    case "skipped":
      return unsupportedJobs > 0 ? exitCode.leftOut : exitCode.nothing;
    default:
      return unreachable(conclusion);
  }
}

/** For what a command threw. Everything that is neither an `EngineError` nor a cancellation is a fault of ours. */
export function exitCodeOfError(error: unknown): ExitCode {
  if (error instanceof Cancelled) return exitCode.cancelled;
  return error instanceof EngineError ? codes[error.code] : exitCode.bug;
}

const codes: { readonly [code in ErrorCode]: ExitCode } = {
  BAD_USAGE: exitCode.usage,
  BAD_CONFIG: exitCode.usage,
  RUN_NOT_FOUND: exitCode.usage,
  CHECKPOINT_NOT_FOUND: exitCode.usage,
  CHECKPOINT_UNUSABLE: exitCode.machine,
  SERVER_UNREACHABLE: exitCode.machine,
  SERVER_REFUSED: exitCode.failure,
  ARCHIVE_REFUSED: exitCode.failure,
  PROVIDER_UNAVAILABLE: exitCode.machine,
  KVM_UNAVAILABLE: exitCode.machine,
  IMAGE_MISSING: exitCode.machine,
  IMAGE_BUILD_FAILED: exitCode.machine,
  SETUP_FAILED: exitCode.machine,
  MACHINE_START_FAILED: exitCode.machine,
  MACHINE_LOST: exitCode.machine,
  GUEST_PROTOCOL: exitCode.machine,
  GUEST_REFUSED: exitCode.machine,
  GIT_FAILED: exitCode.machine,
  ACTION_UNAVAILABLE: exitCode.machine,
  ACTION_MOVED: exitCode.workflow,
  STATE_UNREADABLE: exitCode.machine,
  STATE_UNWRITABLE: exitCode.machine,
  WATCH_FAILED: exitCode.machine,
  QUEUE_FULL: exitCode.machine,
};

/** Codes in a record are text; one that is no `EngineError`'s, such as fates that do not add up, is a fault of ours. */
function exitCodeOfErrorCode(code: string): ExitCode {
  return Object.entries(codes).find(([name]) => name === code)?.[1] ?? exitCode.bug;
}
