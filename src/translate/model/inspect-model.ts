/**
 * Whether a model is fit to translate: five actions that are known, asked without cache, retry or repair. The first alone, for
 * its time; the other four at once, which says how many requests the server bears.
 */
import { checkTranslation } from "../check-translation.ts";
import type { TranslationRequest } from "../translator.ts";
import { Answer, readAnswer } from "./answer.ts";
import { createAskModel } from "./ask-model.ts";
import type { AskModel } from "./ask-model.ts";
import { guardedFetch } from "./guarded-fetch.ts";
import { describeModel } from "./model-config.ts";
import type { ModelConfig } from "./model-config.ts";
import { ModelFault } from "./model-fault.ts";
import { buildPrompt } from "./prompt.ts";

export interface ProbeResult {
  readonly name: string;
  readonly seconds: number;
  readonly result: "passed" | "not the schema" | "not allowed" | "too slow" | "no answer";
  /** Undefined where it passed. */
  readonly reason: string | undefined;
}

export interface ModelReport {
  /** As people name it, with its address. */
  readonly model: string;
  readonly fit: boolean;
  /** Why not; empty where it is fit. */
  readonly reasons: readonly string[];
  readonly probes: readonly ProbeResult[];
  /** Requests at the same time that it answered, at most four; 0 where it answered none. */
  readonly bears: number;
}

export interface InspectOptions {
  readonly config: ModelConfig;
  readonly fetch: typeof fetch;
}

/** So many of the five must pass all checks; all five must be of the schema. */
const PASSES_NEEDED = 4;

/** Never rejects for what the model does; rejects with the signal's reason. */
export async function inspectModel({ config, fetch }: InspectOptions, signal: AbortSignal): Promise<ModelReport> {
  const model = describeModel(config);
  if (config.kind !== "on") return { model, fit: false, reasons: [NO_MODEL], probes: [], bears: 0 };
  const { baseUrl, apiKey, deadlineMs } = config;
  const ask = createAskModel(config, Answer, guardedFetch({ baseUrl, apiKey, holdsSecret: () => false, fetch }));
  const [first, ...others] = PROBES;
  const alone = await probe(ask, first, deadlineMs, signal);
  // Whoever is not there for one request is not there for four.
  if (alone.result === "no answer" || alone.result === "too slow") return report(model, [alone], 0);
  const together = await Promise.all(others.map((one) => probe(ask, one, deadlineMs, signal)));
  const answered = together.filter(({ crowded }) => !crowded).length;
  const bears = Math.max(1, answered);
  const again: Probed[] = [];
  for (const [index, one] of others.entries()) {
    const earlier = together[index];
    again.push(earlier !== undefined && !earlier.crowded ? earlier : await probe(ask, one, deadlineMs, signal));
  }
  return report(model, [alone, ...again], bears);
}

const NO_MODEL = "no model is configured: set $LLM_PROVIDER and $LLM_MODEL";

function report(model: string, probed: readonly Probed[], bears: number): ModelReport {
  const probes = probed.map(({ crowded: _crowded, ...probe }) => probe);
  const count = (result: ProbeResult["result"]): number => probes.filter((one) => one.result === result).length;
  const first = (result: ProbeResult["result"]): string => probes.find((one) => one.result === result)?.reason ?? "";
  const reasons = [
    ...(count("no answer") > 0 ? [`it does not answer: ${first("no answer")}`] : []),
    ...(count("too slow") > 0 ? [`it is too slow: ${first("too slow")}`] : []),
    ...(count("not the schema") > 0 ? [`it does not keep to a schema: ${first("not the schema")}`] : []),
    ...(probes.length - count("passed") > PROBES.length - PASSES_NEEDED && count("not allowed") > 0
      ? [`it writes what is not allowed: ${first("not allowed")}`]
      : []),
  ];
  return { model, fit: reasons.length === 0, reasons, probes, bears };
}

interface Probed extends ProbeResult {
  /** It failed as a server does that has too many requests. */
  readonly crowded: boolean;
}

async function probe(
  ask: AskModel,
  { name, request }: Probe,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<Probed> {
  const start = performance.now();
  const done = (result: ProbeResult["result"], reason?: string, crowded = false): Probed => {
    const seconds = Math.round(performance.now() - start) / 1000;
    return { name, seconds, result, reason, crowded };
  };
  const late = AbortSignal.timeout(deadlineMs);
  try {
    const { system, user } = buildPrompt(request);
    const { text } = await ask({ system, turns: [user] }, AbortSignal.any([late, signal]));
    const read = readAnswer(text, request);
    if (read.kind === "unreadable") return done("not the schema", read.reason);
    if (read.kind === "declined") return done("not allowed", "it declines what shell steps can do");
    const { with: given, outputsUsed, manifest } = request;
    const checked = await checkTranslation(read.manifest, {
      original: manifest,
      use: { with: given, outputsUsed },
      hosts: [],
    });
    if (checked.kind === "accepted") return done("passed");
    return done("not allowed", checked.refusals.map(({ check, reason }) => `${check}: ${reason}`).join("; "));
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (late.aborted) return done("too slow", `no answer within ${deadlineMs / 1000} s`, true);
    if (!(error instanceof ModelFault)) throw error;
    const kind = error.kind === "protocol" || error.kind === "size" ? "not the schema" : "no answer";
    return done(kind, `${error.kind}: ${error.message}`, error.isPressure);
  }
}

interface Probe {
  readonly name: string;
  readonly request: TranslationRequest;
}

function aProbe(name: string, inputs: readonly string[], outputs: readonly string[], text: string): Probe {
  const lines = [
    `name: ${name}`,
    `description: ${text}`,
    "inputs:",
    ...inputs.map((input) => `  ${input}: { required: true }`),
    "outputs:",
    ...(outputs.length === 0
      ? ["  none: { description: not set }"]
      : outputs.map((output) => `  ${output}: { description: see above }`)),
    "runs: { using: docker, image: Dockerfile }",
  ];
  const request: TranslationRequest = {
    reference: `probe/${name}@v1`,
    sha: undefined,
    manifest: `${lines.join("\n")}\n`,
    readmeUsage: undefined,
    with: Object.fromEntries(inputs.map((input) => [input, "text"])),
    outputsUsed: outputs,
  };
  return { name, request };
}

/** Fixed, so that reports of models can be compared. */
const PROBES = [
  aProbe("say", ["message"], [], "Prints the input message."),
  aProbe("count-lines", ["file"], ["lines"], "Sets the output lines to the number of lines of the file."),
  aProbe(
    "write-file",
    ["path", "content"],
    ["path"],
    "Writes content to path, making directories; sets the output path.",
  ),
  aProbe(
    "find-large",
    ["directory", "mebibytes"],
    ["files", "found"],
    "Finds files larger than mebibytes; sets files (space separated) and found (true or false).",
  ),
  aProbe(
    "checksum",
    ["file"],
    ["sha256"],
    "Sets the output sha256 to the SHA-256 sum of the file; fails when there is no such file.",
  ),
] as const;
