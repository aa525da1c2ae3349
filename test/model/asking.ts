/** A translator that asks a fake model, and requests for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findModelConfig } from "../../src/translate/model/model-config.ts";
import type { ModelConfig } from "../../src/translate/model/model-config.ts";
import { createModelTranslator } from "../../src/translate/model/model-translator.ts";
import type { ModelTranslator, ModelTranslatorOptions } from "../../src/translate/model/model-translator.ts";
import type { TranslationRequest } from "../../src/translate/translator.ts";
import { createSecretFinder } from "../../src/joblog/secret-text.ts";

export const NEVER = new AbortController().signal;

export interface Asking extends AsyncDisposable {
  readonly translator: ModelTranslator;
  readonly stateDir: string;
}

export type Change = Partial<Omit<ModelTranslatorOptions, "config">> & {
  readonly secrets?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

export const ENVIRONMENTS: Readonly<Record<string, (url: string) => Readonly<Record<string, string>>>> = {
  openai: (url) => ({ LLM_PROVIDER: "openai", LLM_BASE_URL: `${url}/v1`, LLM_API_KEY: "key-of-openai" }),
  ollama: (url) => ({ LLM_PROVIDER: "ollama", OLLAMA_BASE_URL: url, OLLAMA_MODEL: "fake" }),
  openrouter: (url) => ({
    LLM_PROVIDER: "openrouter",
    LLM_BASE_URL: `${url}/api/v1`,
    OPENROUTER_API_KEY: "key-of-openrouter",
  }),
  anthropic: (url) => ({ LLM_PROVIDER: "anthropic", LLM_BASE_URL: `${url}/v1`, ANTHROPIC_API_KEY: "key-of-anthropic" }),
};

export function configOf(provider: string, url: string, env: Readonly<Record<string, string>> = {}): ModelConfig {
  const all: Readonly<Record<string, string>> = { LLM_MODEL: "fake", ...ENVIRONMENTS[provider]?.(url), ...env };
  return findModelConfig((name) => all[name]);
}

export function asking(url: string, provider = "openai", { secrets = [], env = {}, ...change }: Change = {}): Asking {
  const stateDir = change.stateDir ?? mkdtempSync(join(tmpdir(), "hearth-model-"));
  const translator = createModelTranslator({
    config: configOf(provider, url, env),
    holdsSecret: createSecretFinder(secrets),
    fetch,
    now: Date.now,
    random: () => 0.5,
    firstBackoffMs: 5,
    ...change,
    stateDir,
  });
  return {
    translator,
    stateDir,
    async [Symbol.asyncDispose]() {
      await translator.close();
      if (change.stateDir === undefined) rmSync(stateDir, { recursive: true });
    },
  };
}

export function aRequest(change: Partial<TranslationRequest> = {}): TranslationRequest {
  return {
    reference: "octo/setup@v1",
    sha: "a".repeat(40),
    manifest:
      "name: Set up\ninputs: { version: { default: '1' } }\noutputs: { path: { description: where } }\nruns: { using: docker, image: Dockerfile }\n",
    readmeUsage: undefined,
    with: { version: "${{ inputs.version }}" },
    outputsUsed: ["path"],
    ...change,
  };
}
