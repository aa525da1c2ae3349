/**
 * The translations of one command: what the lock file pins, else a rule, else whoever translates what no rule does. Each is checked
 * before it is an answer. Loading is asynchronous, finding is not, since planning asks for them one by one.
 */
import { referenceText } from "../action/reference.ts";
import type { FindTranslation, TranslationAnswer, TranslationWish } from "../action/translated-way.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { Semaphore } from "../lib/semaphore.ts";
import { hostsIn } from "../translate/check-scripts.ts";
import { checkTranslation } from "../translate/check-translation.ts";
import { findRule } from "../translate/rule-library.ts";
import { hashUse, isFor, requestOf, translationOf } from "../translate/translation.ts";
import type { Translation } from "../translate/translation.ts";
import type { Translator } from "../translate/translator.ts";
import { LOCK_FILE } from "./lock.ts";

export interface TranslationSettings {
  /** Those of the lock file. */
  readonly pinned: readonly Translation[];
  /** What the lock file does not pin is not used. */
  readonly frozen: boolean;
  /** Whether Hearth's own rules are used. */
  readonly rules: boolean;
  /** Undefined: nobody is asked for what no rule does. */
  readonly translator: Translator | undefined;
}

export interface LoadedTranslation {
  readonly wish: TranslationWish;
  readonly pinned: boolean;
  /** Undefined where there is none; `why` says more. */
  readonly translation: Translation | undefined;
  readonly outputsNotSet: readonly string[];
  readonly why: string | undefined;
}

/** Each is a few bash processes, or a question to a model. */
const MAX_AT_ONCE = 4;

export class TranslationLibrary {
  readonly #settings: TranslationSettings;
  readonly #turns = new Semaphore(MAX_AT_ONCE);
  readonly #loading = new Map<string, Promise<void>>();
  readonly #known = new Map<string, LoadedTranslation>();

  constructor(settings: TranslationSettings) {
    this.#settings = settings;
  }

  isLoaded(wish: TranslationWish): boolean {
    return this.#known.has(keyOf(wish));
  }

  /** Undefined also for what was not loaded. */
  readonly find: FindTranslation = (wish): TranslationAnswer | undefined => {
    const known = this.#known.get(keyOf(wish));
    if (known?.translation !== undefined) {
      const { by, manifest } = known.translation;
      return { kind: "translated", by, manifest };
    }
    return known?.why === undefined ? undefined : { kind: "none", why: known.why };
  };

  /** What was loaded. */
  all(): readonly LoadedTranslation[] {
    return [...this.#known.values()];
  }

  /** Pins that no longer are for what is there: the action or the step has changed since. */
  get warnings(): readonly Diagnostic[] {
    const outdated = this.all().filter(({ wish, pinned }) => !pinned && this.#pinsOf(wish).length > 0);
    const names = new Set(outdated.map(({ wish }) => referenceText(wish.reference)));
    return [...names].toSorted().map((name) => ({
      kind: "warning",
      file: LOCK_FILE,
      at: undefined,
      key: "translations",
      message: `No pinned translation of ${name} is for this action and this step any more: look at hearth translate`,
    }));
  }

  /** Never rejects for what the action is. Rejects with the signal's reason. */
  load(wish: TranslationWish, signal: AbortSignal): Promise<void> {
    const key = keyOf(wish);
    const loading =
      this.#loading.get(key) ?? this.#load(wish, signal).then((loaded) => void this.#known.set(key, loaded));
    this.#loading.set(key, loading);
    return loading;
  }

  async #load(wish: TranslationWish, signal: AbortSignal): Promise<LoadedTranslation> {
    using _ = await this.#turns.acquire();
    const pinned = this.#pinsOf(wish).find((translation) => isFor(translation, wish));
    // Whoever reviewed the pin saw the hosts in it.
    if (pinned !== undefined) {
      const found = await checked(wish, pinned, hostsIn(pinned.manifest));
      const why = found.why === undefined ? undefined : `as ${LOCK_FILE} pins it, ${found.why}`;
      return { ...found, why, pinned: true };
    }
    if (this.#settings.frozen) return none(wish, `${LOCK_FILE} pins nothing for it (--frozen)`);
    const byRule = this.#settings.rules ? await ruleFor(wish) : undefined;
    if (byRule?.translation !== undefined) return byRule;
    const asked = await this.#ask(wish, signal);
    return asked ?? byRule ?? none(wish, undefined);
  }

  async #ask(wish: TranslationWish, signal: AbortSignal): Promise<LoadedTranslation | undefined> {
    const { translator } = this.#settings;
    if (translator === undefined) return undefined;
    const result = await translator.translate(requestOf(wish), signal);
    if (result.kind !== "translated") return none(wish, result.reason);
    return checked(wish, translationOf(wish, result.by, result.manifest), []);
  }

  #pinsOf({ reference }: TranslationWish): readonly Translation[] {
    const name = referenceText(reference).toLowerCase();
    return this.#settings.pinned.filter(({ action }) => action.toLowerCase() === name);
  }
}

async function ruleFor(wish: TranslationWish): Promise<LoadedTranslation | undefined> {
  const rule = findRule(wish.reference);
  if (rule === undefined) return undefined;
  return checked(wish, translationOf(wish, { kind: "rule", rule: rule.name }, rule.manifest), rule.named);
}

async function checked(
  wish: TranslationWish,
  translation: Translation,
  hosts: readonly string[],
): Promise<LoadedTranslation> {
  const { manifest, by } = translation;
  const isReleased = findRule(wish.reference)?.manifest === manifest;
  const result = await checkTranslation(manifest, { original: wish.manifest, use: wish.use, hosts, isReleased });
  if (result.kind === "accepted") {
    return { wish, pinned: false, translation, outputsNotSet: result.outputsNotSet, why: undefined };
  }
  const who = by.kind === "rule" ? `the rule ${by.rule}` : `the answer of ${by.model}`;
  const reasons = result.refusals.slice(0, 3).map(({ check, reason }) => `${reason} (${check})`);
  return none(wish, `${who} is refused: ${reasons.join("; ")}`);
}

function none(wish: TranslationWish, why: string | undefined): LoadedTranslation {
  return { wish, pinned: false, translation: undefined, outputsNotSet: [], why };
}

function keyOf({ reference, sha, use }: TranslationWish): string {
  return `${referenceText(reference)} ${sha ?? ""} ${hashUse(use)}`;
}
