/**
 * Steps that stand for an action: the text of a composite action, who wrote it, and what it was written for. A translation is
 * valid for exactly that: `isFor` says whether the action or the step has changed since. Pure.
 */
import { createHash } from "node:crypto";
import { referenceText } from "../action/reference.ts";
import type { StepUse, TranslationWish } from "../action/translated-way.ts";
import type { TranslatedBy } from "../plan/plan.ts";
import type { TranslationRequest } from "./translator.ts";

export interface Translation {
  /** As a step uses it: `owner/name/path@ref`. */
  readonly action: string;
  /** Commit that the reference meant, where that was known. */
  readonly sha: string | undefined;
  /** Of the action's own manifest: `sha256:` and 64 digits, where it was at hand. */
  readonly manifestHash: string | undefined;
  /** Of what the step says. Undefined for a rule, which does not look at it. */
  readonly stepHash: string | undefined;
  readonly by: TranslatedBy;
  /** Text of the composite action. */
  readonly manifest: string;
}

export function translationOf(wish: TranslationWish, by: TranslatedBy, manifest: string): Translation {
  return {
    action: referenceText(wish.reference),
    sha: wish.sha,
    manifestHash: wish.manifest === undefined ? undefined : hashText(wish.manifest),
    stepHash: by.kind === "rule" ? undefined : hashUse(wish.use),
    by,
    manifest,
  };
}

/** Of the same action; what either side does not know does not tell them apart. */
export function isFor(translation: Translation, wish: TranslationWish): boolean {
  const { sha, manifestHash, stepHash } = translation;
  if (translation.action.toLowerCase() !== referenceText(wish.reference).toLowerCase()) return false;
  if (sha !== undefined && wish.sha !== undefined && sha !== wish.sha) return false;
  if (manifestHash !== undefined && wish.manifest !== undefined && manifestHash !== hashText(wish.manifest))
    return false;
  return stepHash === undefined || stepHash === hashUse(wish.use);
}

export function requestOf({ reference, sha, manifest, use }: TranslationWish): TranslationRequest {
  return {
    reference: referenceText(reference),
    sha,
    manifest,
    readmeUsage: undefined,
    with: use.with,
    outputsUsed: use.outputsUsed ?? [],
  };
}

/** The same for two steps exactly when a translation of one is a translation of the other. */
export function hashUse({ with: given, outputsUsed }: StepUse): string {
  const inputs = Object.entries(given).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return hashText(JSON.stringify([inputs, outputsUsed === undefined ? null : outputsUsed.toSorted()]));
}

export function hashText(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
