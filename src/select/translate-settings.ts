/** `translate` of `hearth.yml`: what may stand for actions that cannot run here, and for which it always does. */
import { isScalar } from "yaml";
import { isAllowed } from "../action/policy.ts";
import type { RemoteReference } from "../action/reference.ts";
import type { Position } from "../lib/diagnostic.ts";
import { readPatterns, readSwitch } from "./action-policy.ts";
import { fault, HEARTH_FILE, readMembers } from "./settings-node.ts";
import type { Place, Reader } from "./settings-node.ts";

export interface TranslateSettings {
  /** False: nothing is translated, pinned or not. */
  readonly on: boolean;
  /** Whether Hearth's own rules are used. */
  readonly rules: boolean;
  /** `owner/name` and `owner/*` in lower case, that are translated though they could run, and where that is said. */
  readonly always: { readonly patterns: readonly string[]; readonly at: Position } | undefined;
}

export const DEFAULT_TRANSLATE: TranslateSettings = { on: true, rules: true, always: undefined };

/** `false` or `off`, or a mapping of `always` and `rules`. Which model is asked is for the operator, not for a repository. */
export function readTranslate(reader: Reader, place: Place): TranslateSettings {
  const { node } = place;
  if (isScalar(node) && node.value !== null) {
    if (node.value === false || node.value === "off") return { ...DEFAULT_TRANSLATE, on: false };
    fault(reader, place, "Expected off, or a mapping of always, rules");
    return DEFAULT_TRANSLATE;
  }
  let settings = DEFAULT_TRANSLATE;
  readMembers(reader, place, {
    always: (value) => (settings = { ...settings, always: { patterns: readPatterns(reader, value), at: value.at } }),
    rules: (value) => (settings = { ...settings, rules: readSwitch(reader, value) }),
  });
  return settings;
}

/** Says where an action is wanted translated; undefined for the others. */
export function alwaysTranslated({
  translate,
}: {
  readonly translate: TranslateSettings;
}): (reference: RemoteReference) => string | undefined {
  const { on, always } = translate;
  return (reference) => {
    if (!on || always === undefined || !isAllowed(reference, always.patterns)) return undefined;
    return `${HEARTH_FILE}:${always.at.line}:${always.at.column} (translate.always)`;
  };
}
