/**
 * The checks that every translation passes before it can be a step's way, whoever wrote it. The text is untrusted: it is read by
 * the reader of manifests, may hold `run` steps only, and may neither read nor reach more than the action did.
 * Source: DESIGN §4, SECURITY-RELIABILITY A22.
 */
import { readManifest } from "../action/manifest.ts";
import type { ActionManifest } from "../action/manifest.ts";
import { readTranslation } from "../action/read-translation.ts";
import type { StepUse } from "../action/translated-way.ts";
import type { Template } from "../expression/template.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { RunStep } from "../workflow/workflow.ts";
import { expressionsOf, faultsOfTemplate, readableNames } from "./check-expressions.ts";
import { faultOfSyntax, hidingFaults, hostFaults, hostsIn } from "./check-scripts.ts";
import type { CheckName, TranslationRefusal } from "./refusal.ts";

/** Composite actions that do one thing are a few KiB. */
export const MAX_TRANSLATION_BYTES = 64 << 10;

export interface TranslationSubject {
  /** Text of the action's own manifest, where that can be had. */
  readonly original: string | undefined;
  readonly use: StepUse;
  /** Hosts that a script may name beside those of the original. */
  readonly hosts: readonly string[];
  /** bash has read the same scripts before: Hearth's own rules, when they were released. */
  readonly isReleased?: boolean;
}

export type CheckedTranslation =
  | {
      readonly kind: "accepted";
      readonly manifest: ActionManifest;
      /** Outputs of the action that the steps do not set. Nothing is known to read them. */
      readonly outputsNotSet: readonly string[];
    }
  /** At least one. */
  | { readonly kind: "refused"; readonly refusals: readonly TranslationRefusal[] };

export async function checkTranslation(text: string, subject: TranslationSubject): Promise<CheckedTranslation> {
  const read = checkForm(text);
  if (read.kind === "refused") return read;
  const { manifest, steps } = read;
  const original = subject.original === undefined ? undefined : readOriginal(subject.original);
  const [outputs, outputsNotSet] = outputFaults(manifest, steps, original, subject.use);
  const found = [
    ...inputFaults(manifest, subject.use),
    ...outputs,
    ...expressionFaults(manifest, steps, original),
    ...steps.flatMap((step, index) => stepFaults(`step ${index + 1}`, step)),
    ...scriptsOf(steps).flatMap(({ where, script }) => [
      ...hidingFaults(where, script),
      ...hostFaults(where, script, hostsAllowed(subject)),
    ]),
    ...hostFaults("its env and defaults", literalsOf(manifest, steps).join("\n"), hostsAllowed(subject)),
  ];
  // bash is asked last, and not about what is refused anyway.
  const refusals = found.length > 0 || subject.isReleased === true ? found : await syntaxFaults(steps);
  return refusals.length > 0 ? { kind: "refused", refusals } : { kind: "accepted", manifest, outputsNotSet };
}

type Form = { readonly kind: "read"; readonly manifest: ActionManifest; readonly steps: readonly RunStep[] };

type Refused = Extract<CheckedTranslation, { kind: "refused" }>;

function refuse(check: CheckName, reason: string): Refused {
  return { kind: "refused", refusals: [{ check, reason }] };
}

function checkForm(text: string): Form | Refused {
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > MAX_TRANSLATION_BYTES) {
    return refuse("size", `it has ${sizeBytes} bytes; at most ${MAX_TRANSLATION_BYTES} are allowed`);
  }
  // The reader would call it a name that it does not know.
  if (/\$\{\{(?:(?!\}\}).)*\bsecrets\b/isu.test(text))
    return refuse("secrets", "an expression reads the secrets context");
  const read = readTranslation(text);
  if (read.kind === "refused") return refuse("form", read.diagnostics[0]?.message ?? "it cannot be read");
  const { runs } = read.manifest;
  if (runs.kind !== "composite") return refuse("form", `it runs as ${runs.kind}, not as composite`);
  if (runs.steps.length === 0) return refuse("form", "it has no steps");
  const steps = runs.steps.filter((step) => step.kind === "run");
  const other = runs.steps.find((step) => step.kind === "uses");
  if (other !== undefined) return refuse("uses", `step ${other.number} uses ${other.uses}`);
  return { kind: "read", manifest: read.manifest, steps };
}

/** An original that cannot be read says nothing. */
function readOriginal(text: string): ActionManifest | undefined {
  const read = readManifest("original", text);
  return read.kind === "read" ? read.manifest : undefined;
}

function inputFaults({ inputs }: ActionManifest, { with: given }: StepUse): readonly TranslationRefusal[] {
  const known = new Set(inputs.map(({ name }) => name.toLowerCase()));
  const unknown = Object.keys(given).filter((name) => !known.has(name));
  if (unknown.length === 0) return [];
  return [{ check: "inputs", reason: `it does not know the input ${unknown.map((name) => `'${name}'`).join(", ")}` }];
}

/** Faults, and the outputs that nobody is known to read and that stay empty. */
function outputFaults(
  { outputs }: ActionManifest,
  steps: readonly RunStep[],
  original: ActionManifest | undefined,
  { outputsUsed }: StepUse,
): readonly [readonly TranslationRefusal[], readonly string[]] {
  const scripts = new Map(steps.map((step) => [step.id.toLowerCase(), textOf(step.run)]));
  const names = new Set(outputs.map(({ name }) => name.toLowerCase()));
  const unset = outputs.filter(({ value }) => !isSet(value, scripts)).map(({ name }) => name);
  // Within an action nobody has looked who reads what.
  const wanted = outputsUsed ?? (original?.outputs ?? []).map(({ name }) => name);
  const lacking = wanted.filter((name) => !names.has(name.toLowerCase()));
  const notSet = (original?.outputs ?? []).map(({ name }) => name).filter((name) => !names.has(name.toLowerCase()));
  const faults: TranslationRefusal[] = [];
  if (unset.length > 0) faults.push({ check: "outputs", reason: `no step sets its output ${unset.join(", ")}` });
  if (lacking.length > 0)
    faults.push({ check: "outputs", reason: `it has no output ${lacking.join(", ")}, which is read` });
  return [faults, notSet];
}

/** A value that reads a step's output needs a script that names it beside GITHUB_OUTPUT. */
function isSet(value: Template | undefined, scripts: ReadonlyMap<string, string>): boolean {
  if (value === undefined) return false;
  const reads = expressionsOf(value).flatMap((text) => [...text.matchAll(/steps\.([\w-]+)\.outputs\.([\w-]+)/giu)]);
  return reads.every(([, id = "", output = ""]) => {
    const script = scripts.get(id.toLowerCase()) ?? "";
    return script.includes("GITHUB_OUTPUT") && script.includes(output);
  });
}

function expressionFaults(
  manifest: ActionManifest,
  steps: readonly RunStep[],
  original: ActionManifest | undefined,
): readonly TranslationRefusal[] {
  const names = readableNames(manifest);
  const outside = { inputs: new Set<string>(), steps: new Set<string>() };
  return [
    ...manifest.inputs.flatMap((input) =>
      isOriginalDefault(input, original) ? [] : faultsOfTemplate(`input ${input.name}`, input.default, outside),
    ),
    ...manifest.outputs.flatMap(({ name, value }) => faultsOfTemplate(`output ${name}`, value, names)),
    ...steps.flatMap((step, index) => {
      const { name, condition, env, continueOnError, timeoutMinutes, workingDirectory } = step;
      return [name, condition, env, continueOnError, timeoutMinutes, workingDirectory].flatMap((template) =>
        faultsOfTemplate(`step ${index + 1}`, template, names),
      );
    }),
  ];
}

/** `${{ github.token }}`, where the action itself takes it so. */
function isOriginalDefault(
  { name, default: value }: ActionManifest["inputs"][number],
  original: ActionManifest | undefined,
): boolean {
  const same = original?.inputs.find((input) => input.name.toLowerCase() === name.toLowerCase());
  return value?.kind === "expression" && same?.default?.kind === "expression" && value.source === same.default.source;
}

function stepFaults(where: string, { shell, run, workingDirectory }: RunStep): readonly TranslationRefusal[] {
  const faults: TranslationRefusal[] = [];
  const shellName = shell?.kind === "literal" ? shell.value : undefined;
  if (shellName !== "bash" && shellName !== "sh") {
    faults.push({ check: "shell", reason: `${where}: its shell is ${shellName ?? "none"}; allowed are bash and sh` });
  }
  if (run.kind !== "literal") {
    faults.push({ check: "splice", reason: `${where}: an expression stands in its script; give it through env` });
  }
  if (workingDirectory !== undefined && !isInside(workingDirectory)) {
    faults.push({ check: "directory", reason: `${where}: its working-directory is not plainly in the workspace` });
  }
  return faults;
}

/** A path below the workspace, or whatever the step itself gives as an input. */
function isInside(directory: Template): boolean {
  if (directory.kind === "expression")
    return /^(?:github\.workspace|inputs\.[\w-]+)$/iu.test(directory.expression.trim());
  const path = textOf(directory);
  return path !== "" && !/^[/~\\]/u.test(path) && !path.split(/[/\\]/u).includes("..") && !path.includes("$");
}

function hostsAllowed({ original, hosts }: TranslationSubject): ReadonlySet<string> {
  return new Set([...hosts.map((host) => host.toLowerCase()), ...(original === undefined ? [] : hostsIn(original))]);
}

function scriptsOf(steps: readonly RunStep[]): readonly { readonly where: string; readonly script: string }[] {
  return steps.map((step, index) => ({ where: `step ${index + 1}`, script: textOf(step.run) }));
}

function literalsOf({ inputs, outputs }: ActionManifest, steps: readonly RunStep[]): readonly string[] {
  const templates = [
    ...inputs.map((input) => input.default),
    ...outputs.map(({ value }) => value),
    ...steps.flatMap(({ env, condition }) => [env, condition]),
  ];
  return templates.flatMap((template) => (template === undefined ? [] : textsOf(template)));
}

function textsOf(template: Template): readonly string[] {
  switch (template.kind) {
    case "literal":
      return [String(template.value)];
    case "expression":
      return [template.expression];
    case "sequence":
      return template.items.flatMap(textsOf);
    case "mapping":
      return template.entries.flatMap(({ value }) => textsOf(value));
    default:
      return unreachable(template);
  }
}

async function syntaxFaults(steps: readonly RunStep[]): Promise<readonly TranslationRefusal[]> {
  const faults = await Promise.all(scriptsOf(steps).map(({ where, script }) => faultOfSyntax(where, script)));
  return faults.filter((fault) => fault !== undefined);
}

function textOf(template: Template): string {
  return template.kind === "literal" ? String(template.value) : "";
}
