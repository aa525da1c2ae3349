/**
 * What `hearth translate` does: finds every step whose action cannot run here, translates it, and compares that with what the lock
 * file pins. Nothing is written unless it is asked for.
 */
import { builtinFor } from "../action/builtins.ts";
import { faultOfPolicy } from "../action/policy.ts";
import { referenceText } from "../action/reference.ts";
import type { RemoteReference } from "../action/reference.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { RemoteAction } from "../plan/plan.ts";
import { stepsOf } from "../plan/plan-jobs.ts";
import type { Translation } from "../translate/translation.ts";
import type { Translator } from "../translate/translator.ts";
import { ActionLibrary } from "./action-library.ts";
import { actionPlaces } from "./action-places.ts";
import { readWorkflowSet } from "./collect-references.ts";
import { readHearthFile } from "./hearth-file.ts";
import { loadActions } from "./load-actions.ts";
import type { Lock } from "./lock.ts";
import { readLock, writeLock } from "./lock-file.ts";
import type { ManageEnvironment, ManageRequest } from "./manage-actions.ts";
import { lookUpAction } from "./read-files.ts";
import { ReferencePins } from "./reference-pins.ts";
import { HEARTH_FILE } from "./settings-node.ts";
import { alwaysTranslated } from "./translate-settings.ts";
import { TranslationLibrary } from "./translation-library.ts";
import type { LoadedTranslation } from "./translation-library.ts";

export interface TranslateRequest extends ManageRequest {
  /** Actions that can run here as well, where no built-in stands for them. */
  readonly all: boolean;
  /** The lock file gets what was found. */
  readonly write: boolean;
}

/** `before` is what the lock file pinned for the same action and step. */
export type TranslationChange =
  | { readonly kind: "pinned"; readonly translation: Translation; readonly outputsNotSet: readonly string[] }
  | {
      readonly kind: "new";
      readonly translation: Translation;
      readonly before: Translation | undefined;
      readonly outputsNotSet: readonly string[];
    }
  | { readonly kind: "removed"; readonly before: Translation }
  /** Nothing stands for the action. */
  | { readonly kind: "none"; readonly action: string; readonly why: string };

export interface TranslateReport {
  /** By action. */
  readonly changes: readonly TranslationChange[];
  readonly written: boolean;
  readonly warnings: readonly Diagnostic[];
}

export interface TranslateEnvironment extends ManageEnvironment {
  readonly translator?: (() => Promise<Translator | undefined>) | undefined;
}

/** The lock file changes whole or not at all. Throws BAD_USAGE for workflows that cannot be read. */
export async function manageTranslations(
  request: TranslateRequest,
  environment: TranslateEnvironment,
): Promise<TranslateReport> {
  const set = await readWorkflowSet(request.path, environment.workingDirectory);
  const { root } = set.repository;
  const written = readLock(root);
  const before: Lock = written ?? { uses: {} };
  const pins = new ReferencePins(written, { locked: false, own: set.repository });
  const translations = await loadTranslations(set, request, environment, { before, pins });
  const wanted = translations.all();
  const after = distinct(wanted.flatMap(({ translation }) => (translation === undefined ? [] : [translation])));
  const pinned = before.translations ?? [];
  // Of one workflow alone nobody can say what the others need.
  const gone = request.path === undefined ? pinned.filter((one) => !after.some((other) => isSame(one, other))) : [];
  const kept = pinned.filter((one) => !gone.includes(one) && !after.some((other) => isSame(one, other)));
  if (request.write) await writeLock(root, { ...before, translations: [...kept, ...after] });
  const changes = [
    ...distinctChanges(wanted, pinned),
    ...gone.map((one) => ({ kind: "removed", before: one }) as const),
  ];
  return { changes: changes.toSorted(byAction), written: request.write, warnings: pins.warnings };
}

async function loadTranslations(
  { repository, workflows }: Awaited<ReturnType<typeof readWorkflowSet>>,
  { all, onProgress: progress }: TranslateRequest,
  { mirrorDir, remote, translator }: TranslateEnvironment,
  { before, pins }: { readonly before: Lock; readonly pins: ReferencePins },
): Promise<TranslationLibrary> {
  const { actions, translate } = await readHearthFile(repository.root);
  const translations = new TranslationLibrary({
    pinned: before.translations ?? [],
    frozen: false,
    rules: translate.rules,
    translator: await translator?.(),
  });
  const library = new ActionLibrary(actionPlaces({ repository, mirrorDir, remote, fetch: "missing", progress }), pins);
  const own: RemoteAction = { repository: `${repository.owner}/${repository.name}`, path: "", ref: "", sha: "" };
  const uses = workflows.flatMap(({ jobs }) =>
    jobs.flatMap((job) => stepsOf(job).map((step) => ({ step, inside: own, job }))),
  );
  const asked = alwaysTranslated({ translate });
  const translatesAlways = (reference: RemoteReference): string | undefined =>
    asked(reference) ?? (all && builtinFor(reference) === undefined ? "--all" : undefined);
  const policy = (reference: RemoteReference) => faultOfPolicy(reference, actions, HEARTH_FILE);
  const isOwn = (from: RemoteAction): boolean => from.repository === own.repository && from.sha === "";
  const lookup = (directory: string) => lookUpAction(repository.root, directory);
  await loadActions(uses, {
    lookup,
    library,
    translations,
    options: { builtins: true, policy, isOwn, translatesAlways },
  });
  return translations;
}

/** The steps that stand for the same thing: a rule for all steps, an answer of a model for its step. */
function isSame(one: Translation, other: Translation): boolean {
  return one.action.toLowerCase() === other.action.toLowerCase() && one.stepHash === other.stepHash;
}

function distinct(translations: readonly Translation[]): readonly Translation[] {
  return translations.filter((one, index) => translations.findIndex((other) => isSame(one, other)) === index);
}

function distinctChanges(
  wanted: readonly LoadedTranslation[],
  pinned: readonly Translation[],
): readonly TranslationChange[] {
  const changes = new Map<string, TranslationChange>();
  for (const { wish, translation, pinned: isPinned, outputsNotSet, why } of wanted) {
    const action = referenceText(wish.reference);
    if (translation === undefined) {
      const reason = why ?? "there is no rule for it, and no model is asked";
      changes.set(`${action} ${reason}`, { kind: "none", action, why: reason });
    } else if (isPinned) {
      changes.set(`${action} ${translation.stepHash}`, { kind: "pinned", translation, outputsNotSet });
    } else {
      const before = pinned.find((one) => isSame(one, translation));
      changes.set(`${action} ${translation.stepHash}`, { kind: "new", translation, before, outputsNotSet });
    }
  }
  return [...changes.values()];
}

function byAction(a: TranslationChange, b: TranslationChange): number {
  return actionOf(a) < actionOf(b) ? -1 : 1;
}

/** As a step uses it. */
export function actionOf(change: TranslationChange): string {
  if (change.kind === "none") return change.action;
  return change.kind === "removed" ? change.before.action : change.translation.action;
}
