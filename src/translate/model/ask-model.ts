/**
 * One question to a model, once: no retry, no limit, no tools. The providers' SDKs are loaded when the first question is asked.
 * How an answer is held to its schema differs between servers: those that refuse a schema are asked once more for JSON alone,
 * and from then on only so.
 */
import type { JSONSchema7, LanguageModel, ModelMessage } from "ai";
import { z } from "zod";
import { unreachable } from "../../lib/unreachable.ts";
import { MAX_ANSWER_TOKENS } from "./budget.ts";
import type { ModelSettings } from "./model-config.ts";
import { ModelFault } from "./model-fault.ts";

/** A prompt of the longest kind and its answer. Ollama's own default would cut the prompt without a word. */
const OLLAMA_CONTEXT_TOKENS = 24 << 10;

export interface Question {
  readonly system: string;
  /** The first is the user's, then in turn what the model said and what is said to it. */
  readonly turns: readonly string[];
}

export interface ModelAnswer {
  readonly text: string;
  readonly tokens: number;
  /** Where the provider says it. */
  readonly costUsd: number | undefined;
}

/** Rejects with a `ModelFault`, or the signal's reason. */
export type AskModel = (question: Question, signal: AbortSignal) => Promise<ModelAnswer>;

/** `guarded`: the only way by which bytes leave. `schema`: what an answer is to be. */
export function createAskModel(settings: ModelSettings, schema: z.ZodType, guarded: typeof fetch): AskModel {
  let heldBy: "schema" | "json" = "schema";
  return async (question, signal) => {
    try {
      return await askOnce(settings, schema, { guarded, heldBy }, question, signal);
    } catch (error) {
      const refusesSchemas =
        heldBy === "schema" && settings.provider === "openai" && error instanceof ModelFault && error.refusesFormat;
      if (!refusesSchemas) throw error;
      heldBy = "json";
      return await askOnce(settings, schema, { guarded, heldBy }, question, signal);
    }
  };
}

interface Way {
  readonly guarded: typeof fetch;
  readonly heldBy: "schema" | "json";
}

async function askOnce(
  settings: ModelSettings,
  schema: z.ZodType,
  way: Way,
  { system, turns }: Question,
  signal: AbortSignal,
): Promise<ModelAnswer> {
  const { generateText, jsonSchema, NoObjectGeneratedError, Output } = await import("ai");
  // Its warnings would stand in the output of commands.
  globalThis.AI_SDK_LOG_WARNINGS = false;
  const model = await languageModel(settings, schema, way);
  const messages: ModelMessage[] = turns.map((content, index) => ({
    role: index % 2 === 0 ? "user" : "assistant",
    content,
  }));
  try {
    const { text, finishReason, usage, providerMetadata } = await generateText({
      model,
      instructions: system,
      messages,
      output: Output.object({ schema: jsonSchema(shapeOf(schema)) }),
      maxOutputTokens: MAX_ANSWER_TOKENS,
      maxRetries: 0,
      abortSignal: signal,
      ...(settings.provider === "ollama"
        ? { temperature: 0, providerOptions: { ollama: { options: { num_ctx: OLLAMA_CONTEXT_TOKENS } } } }
        : {}),
    });
    return whole(text, finishReason, tokensOf(usage), costOf(providerMetadata));
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    // The text is read by our own reader, which says better what is wrong with it.
    if (NoObjectGeneratedError.isInstance(error)) {
      return whole(error.text ?? "", error.finishReason ?? "other", tokensOf(error.usage), undefined);
    }
    throw faultOf(error);
  }
}

function whole(text: string, finishReason: string, tokens: number, costUsd: number | undefined): ModelAnswer {
  if (finishReason === "length") throw new ModelFault("size", "its answer reached the limit of its length");
  return { text, tokens, costUsd };
}

function tokensOf(usage: { readonly totalTokens: number | undefined } | undefined): number {
  return usage?.totalTokens ?? 0;
}

const Cost = z.object({ openrouter: z.object({ usage: z.object({ cost: z.number().nonnegative() }) }) });

function costOf(metadata: unknown): number | undefined {
  return Cost.safeParse(metadata).data?.openrouter.usage.cost;
}

/** What the SDK wraps comes out as it went in; all else is an answer that it could not read. */
function faultOf(error: unknown): ModelFault {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof ModelFault) return cause;
  return new ModelFault("protocol", "its server answered something else than its protocol says", { cause: error });
}

async function languageModel(settings: ModelSettings, schema: z.ZodType, way: Way): Promise<LanguageModel> {
  const { provider, model, baseUrl: baseURL, apiKey = "" } = settings;
  const fetch = way.guarded;
  switch (provider) {
    case "ollama": {
      const { createOllama } = await import("ollama-ai-provider-v2");
      const headers: Record<string, string> = apiKey === "" ? {} : { authorization: `Bearer ${apiKey}` };
      return createOllama({ baseURL: baseURL.endsWith("/api") ? baseURL : `${baseURL}/api`, fetch, headers })(model);
    }
    case "openrouter": {
      const { createOpenRouter } = await import("@openrouter/ai-sdk-provider");
      return createOpenRouter({ baseURL, apiKey, fetch })(model, { usage: { include: true } });
    }
    case "anthropic": {
      const { createAnthropic } = await import("@ai-sdk/anthropic");
      return createAnthropic({ baseURL, apiKey, fetch })(model);
    }
    case "openai": {
      const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
      return createOpenAICompatible({
        name: "openai",
        baseURL,
        ...(apiKey === "" ? {} : { apiKey }),
        fetch,
        supportsStructuredOutputs: way.heldBy === "schema",
        transformRequestBody: (body) => openAiBody(body, baseURL, way.heldBy === "json" ? schema : undefined),
      })(model);
    }
    default:
      return unreachable(provider);
  }
}

/** llama.cpp takes the schema beside the type `json_object`; others look past it. OpenAI itself has another name for the limit. */
function openAiBody(
  body: Record<string, unknown>,
  baseUrl: string,
  schema: z.ZodType | undefined,
): Record<string, unknown> {
  const { max_tokens, ...rest } = body;
  return {
    ...rest,
    ...(new URL(baseUrl).hostname === "api.openai.com" ? { max_completion_tokens: max_tokens } : { max_tokens }),
    ...(schema === undefined ? {} : { response_format: { type: "json_object", schema: shapeOf(schema) } }),
  };
}

/** Bounds of lengths are left to our reader: as grammars they are large, some servers refuse them and llama.cpp's ends over them. */
function shapeOf(schema: z.ZodType): JSONSchema7 {
  return JSON.parse(JSON.stringify(z.toJSONSchema(schema), (name, value) => (BOUND.test(name) ? undefined : value)));
}

const BOUND = /^(?:\$schema|(?:min|max)(?:Length|Items))$/u;
