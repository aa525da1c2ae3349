/**
 * Which model is asked, and how much. Only the operator says so: nothing of a repository is looked at (SECURITY-RELIABILITY A36).
 * Settings that cannot be meant are kept as the reason why no model is asked, since most commands need none.
 */

export type ModelProvider = "ollama" | "openrouter" | "openai" | "anthropic";

export type ModelConfig =
  | { readonly kind: "off" }
  | { readonly kind: "broken"; readonly reason: string }
  | ModelSettings;

export interface ModelSettings {
  readonly kind: "on";
  readonly provider: ModelProvider;
  readonly model: string;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  /** Requests at the same time, at most. */
  readonly concurrency: number;
  /** For one step, without the time it waits for its turn. */
  readonly deadlineMs: number;
  /** Of one command, or of a server in a day, questions and answers together. */
  readonly tokenLimit: number;
  /** The same in money, where the provider says what a request costs. */
  readonly spendLimitUsd: number | undefined;
  /** Shared cache of answers; may hold credentials. */
  readonly cacheUrl: string | undefined;
}

const PROVIDERS: readonly ModelProvider[] = ["ollama", "openrouter", "openai", "anthropic"];

const BASE_URLS: { readonly [provider in ModelProvider]: string } = {
  ollama: "http://127.0.0.1:11434",
  openrouter: "https://openrouter.ai/api/v1",
  openai: "https://api.openai.com/v1",
  anthropic: "https://api.anthropic.com/v1",
};

type Variable = (name: string) => string | undefined;

export function findModelConfig(variable: Variable): ModelConfig {
  const name = variable("LLM_PROVIDER");
  if (name === undefined || name === "off") return { kind: "off" };
  const provider = PROVIDERS.find((known) => known === name);
  if (provider === undefined) return broken(`$LLM_PROVIDER is none of ${PROVIDERS.join(", ")}, off`);
  const model = modelOf(provider, variable);
  if (model === undefined) return broken(`no model is named: set $LLM_MODEL`);
  const baseUrl = baseUrlOf(provider, variable);
  if (baseUrl === undefined) return broken("the model's address is not http or https, or holds credentials or a query");
  const apiKey = keyOf(provider, variable);
  if (apiKey === undefined && (provider === "openrouter" || provider === "anthropic")) {
    return broken(`there is no key: set $${provider === "openrouter" ? "OPENROUTER_API_KEY" : "ANTHROPIC_API_KEY"}`);
  }
  const counts = {
    concurrency: countOf(variable, "HEARTH_LLM_CONCURRENCY", 4, 1000),
    seconds: countOf(variable, "HEARTH_LLM_TIMEOUT_SECONDS", 60, 290),
    tokenLimit: countOf(variable, "HEARTH_LLM_TOKENS", 500_000, 1_000_000_000),
  };
  for (const count of Object.values(counts)) if (typeof count === "string") return broken(count);
  const { concurrency, seconds, tokenLimit } = counts;
  const spend = variable("HEARTH_LLM_SPEND_USD");
  if (spend !== undefined && !/^\d{1,6}(?:\.\d{1,6})?$/u.test(spend)) {
    return broken("$HEARTH_LLM_SPEND_USD is no amount such as 0.50");
  }
  const cacheUrl = variable("HEARTH_CACHE_URL");
  if (cacheUrl !== undefined && !/^rediss?:\/\//u.test(cacheUrl)) {
    return broken("$HEARTH_CACHE_URL does not begin with redis:// or rediss://");
  }
  return {
    kind: "on",
    provider,
    model,
    baseUrl,
    apiKey,
    concurrency: Number(concurrency),
    deadlineMs: Number(seconds) * 1000,
    tokenLimit: Number(tokenLimit),
    spendLimitUsd: spend === undefined ? undefined : Number(spend),
    cacheUrl,
  };
}

/** For people: `ollama/qwen3 at http://127.0.0.1:11434`. */
export function describeModel(config: ModelConfig): string {
  if (config.kind === "on") return `${config.provider}/${config.model} at ${config.baseUrl}`;
  return config.kind === "off" ? "off" : `none: ${config.reason}`;
}

function broken(reason: string): ModelConfig {
  return { kind: "broken", reason };
}

function modelOf(provider: ModelProvider, variable: Variable): string | undefined {
  const own = { ollama: "OLLAMA_MODEL", openrouter: "OPENROUTER_MODEL", openai: "", anthropic: "" }[provider];
  const model = variable("LLM_MODEL") ?? (own === "" ? undefined : variable(own));
  return model !== undefined && /^[\w.:/@+-]{1,200}$/u.test(model) ? model : undefined;
}

function baseUrlOf(provider: ModelProvider, variable: Variable): string | undefined {
  const own = provider === "ollama" ? variable("OLLAMA_BASE_URL") : undefined;
  const text = variable("LLM_BASE_URL") ?? own ?? BASE_URLS[provider];
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/u.test(url.protocol)) return undefined;
  if (url.username + url.password + url.search + url.hash !== "") return undefined;
  return text.replace(/\/+$/u, "");
}

function keyOf(provider: ModelProvider, variable: Variable): string | undefined {
  const own = {
    ollama: "OLLAMA_API_KEY",
    openrouter: "OPENROUTER_API_KEY",
    openai: "OPENAI_API_KEY",
    anthropic: "ANTHROPIC_API_KEY",
  };
  return variable("LLM_API_KEY") ?? variable(own[provider]);
}

/** A text: what is wrong. */
function countOf(variable: Variable, name: string, otherwise: number, max: number): number | string {
  const text = variable(name);
  if (text === undefined) return otherwise;
  const value = Number(text);
  return /^\d+$/u.test(text) && value >= 1 && value <= max ? value : `$${name} is no number from 1 to ${max}`;
}
