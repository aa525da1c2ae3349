/**
 * The translator that asks a language model: cache, prompt, question, one repair, checks. An answer counts only as a whole: one
 * that cannot be read or does not pass the checks is no translation. Each way to have none is named; none throws.
 */
import { join } from "node:path";
import { checkTranslation } from "../check-translation.ts";
import type { TranslationRequest, TranslationResult, Translator } from "../translator.ts";
import { createAnswerCache, createMemoryPlace, cacheKey } from "./answer-cache.ts";
import type { AnswerCache } from "./answer-cache.ts";
import { Answer, readAnswer } from "./answer.ts";
import { createAskModel } from "./ask-model.ts";
import type { AskModel } from "./ask-model.ts";
import { createBudget } from "./budget.ts";
import type { Budget } from "./budget.ts";
import { guardedFetch } from "./guarded-fetch.ts";
import type { ModelConfig, ModelSettings } from "./model-config.ts";
import { ModelFault } from "./model-fault.ts";
import { refuseSecrets } from "./outbound-filter.ts";
import type { HoldsSecret } from "./outbound-filter.ts";
import { buildPrompt, PROMPT_VERSION } from "./prompt.ts";
import { createRedisPlace } from "./redis-place.ts";
import { createRequestPolicy } from "./request-policy.ts";
import type { RequestPolicy, StepRequests } from "./request-policy.ts";
import { SharedRequests } from "./shared-requests.ts";
import { createSqlitePlace } from "./sqlite-place.ts";

export interface ModelTranslatorOptions {
  readonly config: ModelConfig;
  /** Where `translations.db` is kept. */
  readonly stateDir: string;
  /** Whether a text holds a secret that this process knows: `joblog/secret-text.ts`. */
  readonly holdsSecret: HoldsSecret;
  /** This host's own way outside. */
  readonly fetch: typeof fetch;
  /** In ms. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly firstBackoffMs?: number;
}

/** For the record and the metrics. */
export interface ModelUse {
  /** Sent to the model, repairs and retries too. */
  readonly requests: number;
  readonly cacheHits: number;
  /** Answered by a request that was on its way already. */
  readonly shared: number;
  readonly cacheFaults: number;
  readonly tokens: number;
  readonly spentUsd: number;
  /** Requests that the server gets at once, now. */
  readonly concurrency: number;
}

export interface ModelTranslator extends Translator {
  readonly use: ModelUse;
  /** Ends connections and files. Nothing is translated afterwards. */
  close(): Promise<void>;
}

const FIRST_BACKOFF_MS = 500;
/** A refused answer is not asked for again for so long: the same question is most likely answered alike. */
const REFUSED_FOR_MS = 10 * 60_000;

/** One for each process: the limit of requests is only one when all plans share it. */
export function createModelTranslator(options: ModelTranslatorOptions): ModelTranslator {
  const { config } = options;
  return config.kind === "on" ? new AskingTranslator(config, options) : withoutModel(config);
}

function withoutModel(config: Exclude<ModelConfig, ModelSettings>): ModelTranslator {
  const reason = config.kind === "off" ? "no model is configured" : config.reason;
  return {
    use: { requests: 0, cacheHits: 0, shared: 0, cacheFaults: 0, tokens: 0, spentUsd: 0, concurrency: 0 },
    translate: async () => ({ kind: "failed", reason }),
    close: async () => undefined,
  };
}

class AskingTranslator implements ModelTranslator {
  readonly #model: string;
  readonly #ask: AskModel;
  readonly #policy: RequestPolicy;
  readonly #budget: Budget;
  readonly #cache: AnswerCache;
  readonly #holdsSecret: HoldsSecret;
  readonly #now: () => number;
  readonly #running = new SharedRequests<TranslationResult>();
  readonly #refused = new Map<string, { readonly result: TranslationResult; readonly atMs: number }>();
  #requests = 0;
  #cacheHits = 0;
  #shared = 0;

  constructor(settings: ModelSettings, options: ModelTranslatorOptions) {
    const { holdsSecret, fetch, now, random, stateDir, firstBackoffMs = FIRST_BACKOFF_MS } = options;
    const { baseUrl, apiKey, concurrency, deadlineMs, cacheUrl } = settings;
    this.#model = `${settings.provider}/${settings.model}`;
    this.#ask = createAskModel(settings, Answer, guardedFetch({ baseUrl, apiKey, holdsSecret, fetch }));
    this.#policy = createRequestPolicy({ concurrency, deadlineMs, firstBackoffMs, random });
    this.#budget = createBudget(settings.tokenLimit, settings.spendLimitUsd, now);
    this.#cache = createAnswerCache([
      createMemoryPlace(),
      createSqlitePlace(join(stateDir, "translations.db"), now),
      ...(cacheUrl === undefined ? [] : [createRedisPlace(cacheUrl)]),
    ]);
    this.#holdsSecret = holdsSecret;
    this.#now = now;
  }

  get use(): ModelUse {
    return {
      requests: this.#requests,
      cacheHits: this.#cacheHits,
      shared: this.#shared,
      cacheFaults: this.#cache.faults,
      tokens: this.#budget.tokensUsed,
      spentUsd: this.#budget.spentUsd,
      concurrency: this.#policy.limit,
    };
  }

  async translate(request: TranslationRequest, signal: AbortSignal): Promise<TranslationResult> {
    const key = cacheKey(request, this.#model);
    if (this.#running.isRunning(key)) this.#shared += 1;
    return await this.#running.run(key, (inner) => this.#translate(key, request, inner), signal);
  }

  close(): Promise<void> {
    return this.#cache.close();
  }

  async #translate(key: string, request: TranslationRequest, signal: AbortSignal): Promise<TranslationResult> {
    const kept = await this.#cache.get(key);
    if (kept !== undefined && (await refusalOf(kept, request)) === undefined) {
      this.#cacheHits += 1;
      return this.#translated(kept);
    }
    const earlier = this.#refused.get(key);
    if (earlier !== undefined && this.#now() - earlier.atMs < REFUSED_FOR_MS) return earlier.result;
    this.#refused.delete(key);
    try {
      const result = await this.#askAndRepair(request, signal);
      if (result.kind === "translated") await this.#cache.set(key, result.manifest);
      if (result.kind === "refused") this.#refused.set(key, { result, atMs: this.#now() });
      return result;
    } catch (error) {
      if (!(error instanceof ModelFault)) throw error;
      return { kind: error.kind === "secret" ? "refused" : "failed", reason: `${error.kind}: ${error.message}` };
    }
  }

  async #askAndRepair(request: TranslationRequest, signal: AbortSignal): Promise<TranslationResult> {
    // Where the prompt cuts a text it may cut a secret, whose rest nobody would know again.
    refuseSecrets([request.manifest ?? "", request.readmeUsage ?? ""], this.#holdsSecret);
    const { system, user } = buildPrompt(request);
    const step = this.#policy.begin();
    const first = await this.#question(step, system, [user], signal);
    const read = await readChecked(first, request);
    if (read.kind === "accepted") return this.#translated(read.manifest);
    if (read.kind === "declined") return DECLINED;
    const repair = `That cannot be used: ${read.reason}\nAnswer again with one JSON object as described, whole and corrected.`;
    const second = await this.#question(step, system, [user, first, repair], signal);
    const again = await readChecked(second, request);
    switch (again.kind) {
      case "accepted":
        return this.#translated(again.manifest);
      case "declined":
        return DECLINED;
      default:
        return { kind: again.kind === "refused" ? "refused" : "failed", reason: again.reason };
    }
  }

  async #question(step: StepRequests, system: string, turns: readonly string[], signal: AbortSignal): Promise<string> {
    const characters = turns.reduce((sum, { length }) => sum + length, system.length);
    const answer = await step.run(async (inner) => {
      const reservation = this.#budget.reserve(characters);
      this.#requests += 1;
      try {
        const { tokens, costUsd, text } = await this.#ask({ system, turns }, inner);
        reservation.settle(tokens, costUsd);
        return text;
      } catch (error) {
        // What never came to the model cost nothing; what broke off may have cost all.
        if (error instanceof ModelFault && NOTHING_SPENT.has(error.kind)) reservation.settle(0, undefined);
        throw error;
      }
    }, signal);
    return answer;
  }

  #translated(manifest: string): TranslationResult {
    return { kind: "translated", manifest, by: { kind: "model", model: this.#model, prompt: PROMPT_VERSION } };
  }
}

const DECLINED: TranslationResult = {
  kind: "refused",
  reason: "declined: the model says that shell steps cannot do it",
};

const NOTHING_SPENT: ReadonlySet<ModelFault["kind"]> = new Set([
  "secret",
  "address",
  "unreachable",
  "busy",
  "server",
  "credentials",
  "request",
  "redirect",
]);

type Checked =
  | { readonly kind: "accepted"; readonly manifest: string }
  | { readonly kind: "declined" }
  /** `reason` begins with the name of the check. */
  | { readonly kind: "refused" | "unreadable"; readonly reason: string };

async function readChecked(text: string, request: TranslationRequest): Promise<Checked> {
  const read = readAnswer(text, request);
  if (read.kind === "declined") return read;
  if (read.kind === "unreadable") return { kind: "unreadable", reason: `schema: ${read.reason}` };
  const reason = await refusalOf(read.manifest, request);
  return reason === undefined ? { kind: "accepted", manifest: read.manifest } : { kind: "refused", reason };
}

/** Undefined: it passes. */
async function refusalOf(manifest: string, request: TranslationRequest): Promise<string | undefined> {
  const use = { with: request.with, outputsUsed: request.outputsUsed };
  const checked = await checkTranslation(manifest, { original: request.manifest, use, hosts: [] });
  if (checked.kind === "accepted") return undefined;
  return checked.refusals.map(({ check, reason }) => `${check}: ${reason}`).join("; ");
}
