/**
 * Finds the actions of other repositories that steps use, and those that these use, before planning decides how each step runs.
 * Level by level: the chooser is asked, what it lacks is loaded, and it is asked again. GitHub's depth bounds the levels.
 */
import type { ActionSource } from "../action/action-source.ts";
import { createStepWayChooser } from "../action/choose-way.ts";
import type { ManifestLookup, StepWayChooser, WayOptions } from "../action/choose-way.ts";
import { referenceKey } from "../action/reference.ts";
import type { RemoteReference } from "../action/reference.ts";
import type { TranslationWish } from "../action/translated-way.ts";
import type { RemoteAction } from "../plan/plan.ts";
import type { Job, Step } from "../workflow/workflow.ts";
import type { ActionLibrary } from "./action-library.ts";
import type { TranslationLibrary } from "./translation-library.ts";

export interface LoadSettings {
  readonly lookup: ManifestLookup;
  readonly library: ActionLibrary;
  /** Undefined: nothing is translated. */
  readonly translations?: TranslationLibrary | undefined;
  readonly options: Pick<WayOptions, "builtins" | "policy" | "isOwn" | "translatesAlways">;
}

/** A step, and what it stands in as `StepWayChooser` takes it. */
export interface PlannedUse {
  readonly step: Step;
  readonly inside: RemoteAction | undefined;
  readonly job?: Job | undefined;
}

/** For all translations of one level, however slow whoever is asked. */
const TRANSLATE_WITHIN_MS = 10 * 60_000;

/** Resolves when the library knows all that the ways of these steps need. */
export async function loadActions(
  uses: readonly PlannedUse[],
  { lookup, library, translations, options }: LoadSettings,
): Promise<StepWayChooser> {
  for (;;) {
    const untranslated: TranslationWish[] = [];
    const lacking = new Map<string, RemoteReference>();
    const known: WayOptions["known"] = (reference) => {
      const action = library.find(reference);
      if (action === undefined) lacking.set(referenceKey(reference), reference);
      return action;
    };
    const translated: WayOptions["translated"] =
      translations &&
      ((wish) => {
        if (!translations.isLoaded(wish)) untranslated.push(wish);
        return translations.find(wish);
      });
    const choose = createStepWayChooser(lookup, { ...options, known, translated });
    for (const { step, inside, job } of uses) choose(step, inside, job);
    if (lacking.size + untranslated.length === 0) return choose;
    await Promise.all([...lacking.values()].map((reference) => library.load(reference)));
    // What is asked for may be had after all, once what it stands in is known: actions come first.
    if (lacking.size > 0) continue;
    const signal = AbortSignal.timeout(TRANSLATE_WITHIN_MS);
    await Promise.all(translations === undefined ? [] : untranslated.map((wish) => translations.load(wish, signal)));
  }
}

/** For the run: what was found while planning, and by the same rules what only the run meets. */
export function createActionSource(settings: LoadSettings): ActionSource {
  return {
    open: (action) => settings.library.open(action),
    async chooseWay(step, inside) {
      const choose = await loadActions([{ step, inside }], settings);
      return choose(step, inside);
    },
  };
}
