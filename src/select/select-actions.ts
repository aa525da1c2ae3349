/**
 * Actions of other repositories for one command: nothing of it is loaded where no step uses one, which is nearly everywhere that
 * `actions/checkout` alone is used.
 */
import type { ActionSource } from "../action/action-source.ts";
import { createWayChooser, ofWorkflows } from "../action/choose-way.ts";
import type { ManifestLookup, WayOptions } from "../action/choose-way.ts";
import { referenceOf } from "../action/reference.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Remote } from "../git/network-git.ts";
import type { Repository } from "../git/repository.ts";
import type { PlannedWorkflow, PlanResult, RemoteAction, WorkflowOrigin } from "../plan/plan.ts";
import type { WayChooser } from "../plan/plan-jobs.ts";
import { originOf } from "../plan/plan-workflow.ts";
import type { PlaceSettings } from "./action-places.ts";
import type { LoadSettings, PlannedUse } from "./load-actions.ts";
import type { ReferencePins } from "./reference-pins.ts";
import type { TranslationLibrary, TranslationSettings } from "./translation-library.ts";

export interface ActionSettings {
  readonly lookup: ManifestLookup;
  readonly options: LoadSettings["options"];
  readonly pins: ReferencePins;
  /** Asked for when an action cannot run here; undefined: nothing is translated. */
  readonly translations: (() => Promise<TranslationSettings>) | undefined;
  readonly repository: Repository;
  readonly mirrorDir: string | undefined;
  readonly remote: Remote;
  readonly fetch: PlaceSettings["fetch"];
  readonly progress: (line: string) => void;
}

export interface SelectActions {
  /** Knows no action of another repository, and whether one was asked for. */
  readonly firstChooser: WayChooser;
  readonly isLacking: () => boolean;
  /** Knows those that these steps use. */
  load(steps: readonly PlannedUse[]): Promise<WayChooser>;
  readonly source: ActionSource;
  /** Of what was loaded. */
  warnings(): readonly Diagnostic[];
}

export function selectActions({ lookup, options, ...settings }: ActionSettings): SelectActions {
  let lacking = false;
  const known: WayOptions["known"] = () => {
    lacking = true;
    return undefined;
  };
  let loaded: Promise<LoadSettings> | undefined;
  let translations: TranslationLibrary | undefined;
  const load = async (): Promise<LoadSettings> => {
    const [library, translated] = await Promise.all([createLibrary(settings), createTranslations(settings)]);
    translations = translated;
    return { lookup, options, library, translations };
  };
  const library = (): Promise<LoadSettings> => (loaded ??= load());
  const source = async (): Promise<ActionSource> =>
    (await import("./load-actions.ts")).createActionSource(await library());
  return {
    firstChooser: createWayChooser(lookup, { ...options, known }),
    isLacking: () => lacking,
    async load(steps) {
      const { loadActions } = await import("./load-actions.ts");
      return ofWorkflows(await loadActions(steps, await library()));
    },
    warnings: () => translations?.warnings ?? [],
    source: {
      open: async (action) => (await source()).open(action),
      chooseWay: async (step, inside) => (await source()).chooseWay(step, inside),
    },
  };
}

/** Of the workflows that start, and of those that they call. */
export function plannedUses(results: readonly PlanResult[]): readonly PlannedUse[] {
  const usesOf = ({ jobs }: PlannedWorkflow, from: Omit<WorkflowOrigin, "path">): readonly PlannedUse[] => {
    const inside: RemoteAction = { repository: from.repository, path: "", ref: from.ref, sha: from.sha };
    return jobs.flatMap(({ job, steps, called }) =>
      called?.kind === "called" ? usesOf(called.plan, called.origin) : steps.map(({ step }) => ({ step, inside, job })),
    );
  };
  return results.flatMap((result) => {
    if (result.kind !== "planned") return [];
    return usesOf(result.plan, originOf(result.plan.workflow, result.plan.event));
  });
}

/** Those of the run's own repository are in the commit of the run. */
export function withOwnActions(
  source: ActionSource,
  isOwn: (action: RemoteAction) => boolean,
  snapshot: { readonly gitDir: string } | undefined,
): ActionSource {
  return {
    chooseWay: (step, inside) => source.chooseWay(step, inside),
    async open(action) {
      if (snapshot === undefined || !isOwn(action)) return source.open(action);
      const [{ gitTree }, { bareRepository }] = await Promise.all([
        import("./repository-tree.ts"),
        import("../git/file-at-commit.ts"),
      ]);
      return gitTree(bareRepository(snapshot.gitDir), referenceOf(action), action.sha).archive();
    },
  };
}

async function createLibrary({ pins, ...settings }: Omit<ActionSettings, "lookup" | "options">) {
  const [{ ActionLibrary }, { actionPlaces }] = await Promise.all([
    import("./action-library.ts"),
    import("./action-places.ts"),
  ]);
  return new ActionLibrary(actionPlaces(settings), pins);
}

async function createTranslations({
  translations,
}: Pick<ActionSettings, "translations">): Promise<TranslationLibrary | undefined> {
  if (translations === undefined) return undefined;
  const [{ TranslationLibrary }, settings] = await Promise.all([import("./translation-library.ts"), translations()]);
  return new TranslationLibrary(settings);
}
