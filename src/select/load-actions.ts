/**
 * Finds the actions of other repositories that steps use, and those that these use, before planning decides how each step runs.
 * Level by level: the chooser is asked, what it lacks is loaded, and it is asked again. GitHub's depth bounds the levels.
 */
import type { ActionSource } from "../action/action-source.ts";
import { createStepWayChooser } from "../action/choose-way.ts";
import type { ManifestLookup, StepWayChooser, WayOptions } from "../action/choose-way.ts";
import { referenceKey } from "../action/reference.ts";
import type { RemoteReference } from "../action/reference.ts";
import type { RemoteAction } from "../plan/plan.ts";
import type { Step } from "../workflow/workflow.ts";
import type { ActionLibrary } from "./action-library.ts";

export interface LoadSettings {
  readonly lookup: ManifestLookup;
  readonly library: ActionLibrary;
  readonly options: Pick<WayOptions, "builtins" | "policy" | "isOwn">;
}

/** A step, and what it stands in as `StepWayChooser` takes it. */
export interface PlannedUse {
  readonly step: Step;
  readonly inside: RemoteAction | undefined;
}

/** Resolves when the library knows all that the ways of these steps need. */
export async function loadActions(
  uses: readonly PlannedUse[],
  { lookup, library, options }: LoadSettings,
): Promise<StepWayChooser> {
  for (;;) {
    const lacking = new Map<string, RemoteReference>();
    const known: WayOptions["known"] = (reference) => {
      const action = library.find(reference);
      if (action === undefined) lacking.set(referenceKey(reference), reference);
      return action;
    };
    const choose = createStepWayChooser(lookup, { ...options, known });
    for (const { step, inside } of uses) choose(step, inside);
    if (lacking.size === 0) return choose;
    await Promise.all([...lacking.values()].map((reference) => library.load(reference)));
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
