/**
 * Which steps can run both as the real action and as its translation, and for the others why not. What decides is the action and what
 * the step says: the run's own contexts are not there when a step is taken out of its job, and no secret is given to it.
 */
import { builtinFor } from "../action/builtins.ts";
import { faultOfPolicy } from "../action/policy.ts";
import { parseActionReference, referenceText } from "../action/reference.ts";
import type { RemoteReference } from "../action/reference.ts";
import { stepUse } from "../action/translated-way.ts";
import { toText } from "../expression/coerce.ts";
import { contextsReadBy, ExpressionError } from "../expression/evaluate.ts";
import type { Template } from "../expression/template.ts";
import type { RemoteAction, Way } from "../plan/plan.ts";
import { stepsOf } from "../plan/plan-jobs.ts";
import { translationOf } from "../translate/translation.ts";
import type { Translation } from "../translate/translation.ts";
import type { Job, UsesStep } from "../workflow/workflow.ts";
import { ActionLibrary } from "./action-library.ts";
import { actionPlaces } from "./action-places.ts";
import type { WorkflowSet } from "./collect-references.ts";
import { readHearthFile } from "./hearth-file.ts";
import { loadActions } from "./load-actions.ts";
import type { LoadSettings } from "./load-actions.ts";
import type { Lock } from "./lock.ts";
import type { ManageRequest } from "./manage-actions.ts";
import type { TranslateEnvironment } from "./manage-translations.ts";
import { lookUpAction } from "./read-files.ts";
import { ReferencePins } from "./reference-pins.ts";
import { HEARTH_FILE } from "./settings-node.ts";
import { TranslationLibrary } from "./translation-library.ts";

/** The same action used in the same way, once. */
export interface FoundComparison {
  /** As the step uses it. */
  readonly action: string;
  readonly reference: RemoteReference;
  /** Where it is used: `ci.yml: build, step 3`. */
  readonly places: readonly string[];
  readonly step: UsesStep;
  /** Undefined where there is no translation. */
  readonly translation: Translation | undefined;
  /** Undefined: both can run. */
  readonly why: string | undefined;
}

/** `wanted`: an action with or without its ref, or the id of a step; undefined for all. */
export async function findComparisons(
  { repository, workflows }: WorkflowSet,
  { wanted, onProgress: progress }: ManageRequest & { readonly wanted: string | undefined },
  { mirrorDir, remote, translator }: TranslateEnvironment,
  lock: Lock | undefined,
): Promise<readonly FoundComparison[]> {
  const { actions, translate } = await readHearthFile(repository.root);
  const pins = new ReferencePins(lock, { locked: false, own: repository });
  const library = new ActionLibrary(actionPlaces({ repository, mirrorDir, remote, fetch: "missing", progress }), pins);
  const translations = new TranslationLibrary({
    pinned: lock?.translations ?? [],
    frozen: false,
    rules: translate.rules,
    translator: await translator?.(),
  });
  const own: RemoteAction = { repository: `${repository.owner}/${repository.name}`, path: "", ref: "", sha: "" };
  const uses = workflows.flatMap(({ path, jobs }) =>
    jobs.flatMap((job) =>
      stepsOf(job).flatMap((step) =>
        step.kind === "uses" && isWanted(step, wanted) ? [{ step, inside: own, job, path }] : [],
      ),
    ),
  );
  const lookup = (directory: string) => lookUpAction(repository.root, directory);
  const policy = (reference: RemoteReference) => faultOfPolicy(reference, actions, HEARTH_FILE);
  const isOwn = (from: RemoteAction): boolean => from.repository === own.repository && from.sha === "";
  const settings = { lookup, library, options: { builtins: true, policy, isOwn } } satisfies LoadSettings;
  const chooseReal = await loadActions(uses, settings);
  const chooseTranslated = await loadActions(uses, {
    ...settings,
    translations,
    options: { ...settings.options, translatesAlways: () => "hearth translate verify" },
  });
  const found = new Map<string, FoundComparison>();
  for (const { step, inside, job, path } of uses) {
    const reference = parseActionReference(step.uses);
    if (reference.kind !== "remote" || builtinFor(reference) !== undefined) continue;
    const key = JSON.stringify([step.uses, plainValues(step.with), plainValues(step.env)]);
    const place = `${path.split("/").at(-1)}: ${job.id}, step ${step.number}`;
    const before = found.get(key);
    const fresh = compared(step, job, reference, chooseReal(step, inside, job), chooseTranslated(step, inside, job));
    found.set(
      key,
      before === undefined ? { ...fresh, places: [place] } : { ...before, places: [...before.places, place] },
    );
  }
  return [...found.values()].toSorted((a, b) => (a.action < b.action ? -1 : 1));
}

function isWanted({ uses, id }: UsesStep, wanted: string | undefined): boolean {
  if (wanted === undefined || wanted === id) return true;
  const [name] = uses.split("@", 1);
  return [uses, name].some((text) => text?.toLowerCase() === wanted.toLowerCase());
}

function compared(
  step: UsesStep,
  job: Job,
  reference: RemoteReference,
  real: Way,
  translated: Way,
): Omit<FoundComparison, "places"> {
  const base = { action: referenceText(reference), reference, step };
  if (translated.kind !== "translated") {
    const why = translated.kind === "unsupported" ? `${translated.what} is unsupported: ${translated.fix}` : "";
    return { ...base, translation: undefined, why: `there is no translation: ${why}` };
  }
  const use = stepUse(step, job);
  const wish = { reference, sha: undefined, manifest: undefined, use };
  // The step is taken out of its job: its own outputs are all read there, and nothing else of it can be told apart.
  const translation = { ...translationOf(wish, translated.by, translated.manifest), stepHash: undefined };
  return { ...base, translation, why: realFault(real) ?? contextFault(step) };
}

function realFault(real: Way): string | undefined {
  if (real.kind === "unsupported") return `the real action cannot run here: ${real.what} is unsupported`;
  if (real.kind === "composite") {
    const fault = real.steps.map(({ way }) => realFault(way)).find((one) => one !== undefined);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What is known outside the job that a step stands in. */
const KNOWN_CONTEXTS: ReadonlySet<string> = new Set(["github", "runner", "vars"]);

function contextFault({ with: given, env }: UsesStep): string | undefined {
  for (const [what, template] of [
    ["inputs", given],
    ["env", env],
  ] as const) {
    try {
      const other = [...(template === undefined ? [] : contextsReadBy(template))].find(
        (name) => !KNOWN_CONTEXTS.has(name),
      );
      if (other !== undefined) return `its ${what} read ${other}, which only the job has`;
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      return `its ${what} cannot be read: ${error.message}`;
    }
  }
  return undefined;
}

/** As they were written, for another workflow file. */
export function plainValues(template: Template | undefined): Readonly<Record<string, unknown>> {
  if (template?.kind !== "mapping") return {};
  return Object.fromEntries(template.entries.map(({ key, value }) => [plainText(key), plainValue(value)]));
}

function plainText(template: Template): string {
  return template.kind === "literal" ? toText(template.value) : template.kind === "expression" ? template.source : "";
}

function plainValue(template: Template): unknown {
  return template.kind === "literal" ? template.value : plainText(template);
}
