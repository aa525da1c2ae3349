/**
 * The port to whoever turns an action into steps where no rule does: a language model, or a fake of one. What comes back is
 * untrusted text; whoever asks checks it (`check-translation.ts`) before anything runs.
 */
import type { TranslatedBy } from "../plan/plan.ts";

export interface TranslationRequest {
  /** As a step would use it: `owner/name/path@ref`. */
  readonly reference: string;
  /** 40 digits, where it is known what the reference means. */
  readonly sha: string | undefined;
  /** Text of its `action.yml`, where that can be had. */
  readonly manifest: string | undefined;
  /** What its README says of its use, where that can be had. */
  readonly readmeUsage: string | undefined;
  /** Inputs the step gives: an expression as it was written, or `text`, `number`, `boolean` for a literal. Never a value. */
  readonly with: { readonly [name: string]: string };
  /** Names of the step's outputs that others read. */
  readonly outputsUsed: readonly string[];
}

export type TranslationResult =
  /** `manifest`: text of a composite action that stands for the one asked for. */
  | { readonly kind: "translated"; readonly manifest: string; readonly by: TranslatedBy }
  /** Whoever was asked will not, or must not be asked. */
  | { readonly kind: "refused"; readonly reason: string }
  /** It could not be asked, or its answer could not be read. */
  | { readonly kind: "failed"; readonly reason: string };

export interface Translator {
  /** Never rejects for what the answer is; rejects with the signal's reason. May be called concurrently; the same request means the same answer. */
  translate(request: TranslationRequest, signal: AbortSignal): Promise<TranslationResult>;
}
