/** Why a translation is not used: the check that it failed, and a reason for a person. */

/** Closed set, shown by `hearth translate` and named in docs/translation.md. */
export type CheckName =
  /** It is longer than is allowed. */
  | "size"
  /** It is no composite action, or cannot be read as one. */
  | "form"
  /** A step uses an action. */
  | "uses"
  /** A step's shell is not `bash` or `sh`. */
  | "shell"
  /** `bash -n` finds a fault. */
  | "syntax"
  /** An expression stands in a script, where what it gives would be run. */
  | "splice"
  /** An expression cannot be parsed, or reads what a translation must not. */
  | "expression"
  /** It reads secrets or the token. */
  | "secrets"
  /** It names a host that the action's manifest does not. */
  | "hosts"
  /** It hides what it does: decoding, eval. */
  | "hidden"
  /** It does not know an input that the step gives. */
  | "inputs"
  /** It does not set an output that is used, or that it says it sets. */
  | "outputs"
  /** A step works outside the workspace. */
  | "directory";

export interface TranslationRefusal {
  readonly check: CheckName;
  readonly reason: string;
}
