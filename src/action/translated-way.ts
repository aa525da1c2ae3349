/**
 * What planning asks about an action that cannot run here, and what it is answered: steps that stand for it, or why there are none.
 * Whoever answers has checked them; here they only become a way. Pure.
 */
import { toText } from "../expression/coerce.ts";
import type { Template } from "../expression/template.ts";
import type { RemoteAction, TranslatedBy, Way } from "../plan/plan.ts";
import type { Job, UsesStep } from "../workflow/workflow.ts";
import { readTranslation } from "./read-translation.ts";
import { referenceText, repositoryText } from "./reference.ts";
import type { RemoteReference } from "./reference.ts";

export interface TranslationWish {
  readonly reference: RemoteReference;
  /** 40 digits; undefined where nobody knows what the reference means. */
  readonly sha: string | undefined;
  /** Text of the action's own manifest, where that can be had. */
  readonly manifest: string | undefined;
  readonly use: StepUse;
}

/** What a step says of an action: never a value that an expression has. */
export interface StepUse {
  /** By name in lower case: an expression as it was written, or `text`, `number`, `boolean` for a literal. */
  readonly with: { readonly [name: string]: string };
  /** Names of its outputs that the job reads; undefined where the step stands in an action, whose other steps are not looked at. */
  readonly outputsUsed: readonly string[] | undefined;
}

export type TranslationAnswer =
  | { readonly kind: "translated"; readonly by: TranslatedBy; readonly manifest: string }
  /** `why` completes "the action 'x' cannot be translated: …". */
  | { readonly kind: "none"; readonly why: string };

/** Undefined where there is none and nothing to be said of it. */
export type FindTranslation = (wish: TranslationWish) => TranslationAnswer | undefined;

export function stepUse(step: UsesStep, job: Job | undefined): StepUse {
  const given: { [name: string]: string } = Object.create(null);
  if (step.with?.kind === "mapping") {
    for (const { key, value } of step.with.entries) {
      if (key.kind === "literal") given[toText(key.value).toLowerCase()] = shapeOf(value);
    }
  }
  return { with: given, outputsUsed: job === undefined ? undefined : outputsRead(job, step) };
}

/** What a person is told of who wrote the steps: `translated by rule octo/setup`. */
export function translatedText(by: TranslatedBy): string {
  return by.kind === "rule" ? `translated by rule ${by.rule}` : `translated by model ${by.model}, prompt ${by.prompt}`;
}

/** `otherwise` where the steps cannot be read: they were checked, so only somebody else's text comes to that. */
export function translatedWay(wish: TranslationWish, answer: TranslationAnswer & { kind: "translated" }): Way {
  const { reference, sha = "" } = wish;
  const action: RemoteAction = {
    repository: repositoryText(reference),
    path: reference.path,
    ref: reference.ref,
    sha,
  };
  const steps = stepsOf(answer.manifest);
  if (steps === undefined) {
    const what = `the translation of the action '${referenceText(reference)}', which is no composite action,`;
    return { kind: "unsupported", what, fix: "translate it anew with hearth translate --write" };
  }
  return { kind: "translated", by: answer.by, manifest: answer.manifest, action, steps };
}

type TranslatedSteps = Extract<Way, { kind: "translated" }>["steps"];

/** Undefined for what is no composite action. */
function stepsOf(manifest: string): TranslatedSteps | undefined {
  const read = readTranslation(manifest);
  const runs = read.kind === "read" ? read.manifest.runs : undefined;
  if (runs?.kind !== "composite") return undefined;
  return runs.steps.map(({ name }) => ({ name: nameText(name) ?? "Run a script", way: { kind: "run" } }));
}

function nameText(name: Template | undefined): string | undefined {
  if (name?.kind === "literal") return toText(name.value);
  return name?.kind === "expression" ? name.source : undefined;
}

function shapeOf(value: Template): string {
  if (value.kind === "expression") return value.source;
  if (value.kind !== "literal") return value.kind;
  return typeof value.value === "string" || value.value === null ? "text" : typeof value.value;
}

/** Where an expression reads all outputs at once, or by a name that is made, all of its names stand for what it may read. */
function outputsRead(job: Job, step: UsesStep): readonly string[] {
  if (!step.idGiven) return [];
  const id = step.id.replaceAll(/[^\w-]/gu, "");
  const pattern = new RegExp(
    String.raw`steps\s*(?:\.\s*${id}|\[\s*'${id}'\s*\])\s*\.\s*outputs\s*\.\s*([\w-]+)`,
    "giu",
  );
  return [...new Set([...textOf(job).matchAll(pattern)].map((match) => match[1] ?? ""))].toSorted();
}

const texts = new WeakMap<Job, string>();

function textOf(job: Job): string {
  const text = texts.get(job) ?? JSON.stringify(job);
  texts.set(job, text);
  return text;
}
