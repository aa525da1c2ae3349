/**
 * Failures that the operator must act on (HOUSE-STYLE §4). A step that failed is a value, a fault in a workflow is a
 * `Diagnostic`, and a bug of ours is a plain `Error`. Codes are for branching, messages for people; nobody matches on text.
 */

/** Closed set; `commands/exit-code.ts` maps each code to the process's exit code. */
export type ErrorCode =
  | "BAD_USAGE"
  | "BAD_CONFIG"
  | "PROVIDER_UNAVAILABLE"
  | "KVM_UNAVAILABLE"
  | "IMAGE_MISSING"
  | "IMAGE_BUILD_FAILED"
  | "SETUP_FAILED"
  | "MACHINE_START_FAILED"
  | "MACHINE_LOST"
  | "GUEST_PROTOCOL"
  | "GUEST_REFUSED"
  | "GIT_FAILED"
  | "ACTION_UNAVAILABLE"
  | "ACTION_MOVED"
  | "RUN_NOT_FOUND"
  | "CHECKPOINT_NOT_FOUND"
  | "CHECKPOINT_UNUSABLE"
  | "SERVER_UNREACHABLE"
  | "SERVER_REFUSED"
  | "ARCHIVE_REFUSED"
  | "STATE_UNREADABLE"
  | "STATE_UNWRITABLE"
  | "WATCH_FAILED"
  | "QUEUE_FULL";

/** `message` says what could not be done, `hint` what to try. Printed as one line and a hint, without a stack. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; hint?: string | undefined } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
