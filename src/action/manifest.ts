/**
 * Reads `action.yml`: GitHub's schema of actions over the same reader as workflows. GitHub's runner is lenient with
 * manifests (237 real ones were looked at, 10 break the schema), so what the schema finds is a warning wherever the
 * action can still run; what makes it impossible to run is an error. Source: ACTIONS-CONTRACT §4.2.
 */
import type { TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import type { TemplateSchema } from "@actions/workflow-parser/templates/schema/template-schema";
// By its path: the package exports its JSON files under names that Node cannot import.
import actionSchemaJson from "../../node_modules/@actions/workflow-parser/dist/action-v1.0.min.json" with { type: "json" };
import type { ExpressionTemplate, Template } from "../expression/template.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { convertHookCondition } from "../workflow/convert-condition.ts";
import { convertSteps } from "../workflow/convert-steps.ts";
import { STEPS_PER_JOB } from "../workflow/limits.ts";
import type { Faults } from "../workflow/faults.ts";
import { readTokens } from "../workflow/read-tokens.ts";
import { LazySchema } from "../workflow/schema.ts";
import { entriesOf, isTrue, itemsOf, textOf, valueAt } from "../workflow/token-access.ts";
import { placeOf, toTemplate } from "../workflow/to-template.ts";
import type { RunStep, UsesStep } from "../workflow/workflow.ts";

/** Where an action's manifest is looked for in its directory, in this order; a Dockerfile stands for itself (ACTIONS-CONTRACT §4.1). */
export const MANIFEST_FILES = ["action.yml", "action.yaml", "Dockerfile", "dockerfile"] as const;
export const MAX_MANIFEST_BYTES = 1 << 20;

export interface ActionManifest {
  readonly name: string | undefined;
  readonly inputs: readonly ActionInput[];
  readonly outputs: readonly ActionOutput[];
  readonly runs: ActionRuns;
}

interface ActionInput {
  readonly name: string;
  readonly default: Template | undefined;
  /** GitHub does not enforce it. */
  readonly required: boolean;
  readonly deprecationMessage: string | undefined;
}

interface ActionOutput {
  readonly name: string;
  /** Composite actions only. */
  readonly value: Template | undefined;
}

type ActionRuns =
  | {
      readonly kind: "javascript";
      /** As the manifest says: `node20`. All run on Node 24. */
      readonly using: string;
      readonly main: string;
      readonly pre: string | undefined;
      readonly preIf: ExpressionTemplate;
      readonly post: string | undefined;
      readonly postIf: ExpressionTemplate;
    }
  | { readonly kind: "composite"; readonly steps: readonly (RunStep | UsesStep)[] }
  | {
      readonly kind: "docker";
      readonly image: string;
      readonly entrypoint: string | undefined;
      readonly args: readonly Template[];
      readonly env: Template | undefined;
      readonly preEntrypoint: string | undefined;
      readonly preIf: ExpressionTemplate;
      readonly postEntrypoint: string | undefined;
      readonly postIf: ExpressionTemplate;
    };

export type ManifestResult =
  | { readonly kind: "read"; readonly manifest: ActionManifest; readonly warnings: readonly Diagnostic[] }
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[] };

/** `path` is for messages. Pure; never throws for what is in the text. */
export function readManifest(path: string, text: string): ManifestResult {
  const tokens = readTokens(path, text, getActionSchema(), "action-root-strict", isHarmless);
  if (tokens.kind === "refused") return { kind: "refused", diagnostics: tokens.diagnostics };
  const { root, faults } = tokens;
  const runs = convertRuns(valueAt(root, "runs"), root, faults);
  if (faults.errors.length > 0 || runs === undefined) {
    return { kind: "refused", diagnostics: [...faults.errors, ...faults.warnings] };
  }
  const manifest: ActionManifest = {
    name: textOf(valueAt(root, "name")),
    inputs: convertInputs(valueAt(root, "inputs"), faults),
    outputs: convertOutputs(valueAt(root, "outputs"), faults),
    runs,
  };
  return { kind: "read", manifest, warnings: faults.warnings };
}

let actionSchema: TemplateSchema | undefined;

function getActionSchema(): TemplateSchema {
  actionSchema ??= new LazySchema(actionSchemaJson.definitions);
  return actionSchema;
}

/** Only `runs` decides whether an action can run: a fault elsewhere costs a description, an icon, a default. */
function isHarmless(key: string, message: string): boolean {
  if (message === NO_RUNS) return false;
  const [root, property] = key.split(/[.[]/, 2);
  return root !== "runs" || (property !== undefined && !RUNS_PROPERTIES.has(property));
}

const NO_RUNS = "Required property is missing: runs";
const RUNS_PROPERTIES: ReadonlySet<string> = new Set(
  "using main pre pre-if post post-if image entrypoint args env pre-entrypoint post-entrypoint steps".split(" "),
);

function convertInputs(token: TemplateToken | undefined, faults: Faults): readonly ActionInput[] {
  return entriesOf(token).map(({ name, value }) => ({
    name,
    default: optional(valueAt(value, "default"), faults),
    required: isTrue(valueAt(value, "required")),
    deprecationMessage: textOf(valueAt(value, "deprecationMessage")),
  }));
}

function convertOutputs(token: TemplateToken | undefined, faults: Faults): readonly ActionOutput[] {
  return entriesOf(token).map(({ name, value }) => ({ name, value: optional(valueAt(value, "value"), faults) }));
}

function convertRuns(runs: TemplateToken | undefined, root: TemplateToken, faults: Faults): ActionRuns | undefined {
  if (runs === undefined) {
    faults.error(root, NO_RUNS);
    return undefined;
  }
  const using = required(runs, "using", faults);
  const text = (name: string): string | undefined => textOf(valueAt(runs, name));
  const hooks = {
    preIf: convertHookCondition(valueAt(runs, "pre-if"), placeOf(runs), faults),
    postIf: convertHookCondition(valueAt(runs, "post-if"), placeOf(runs), faults),
  };
  if (using.toLowerCase() === "composite") return convertComposite(runs, faults);
  if (using.toLowerCase() === "docker") {
    const image = required(runs, "image", faults);
    const args = itemsOf(valueAt(runs, "args")).map((arg) => toTemplate(arg, faults));
    const env = optional(valueAt(runs, "env"), faults);
    const entrypoints = {
      entrypoint: text("entrypoint"),
      preEntrypoint: text("pre-entrypoint"),
      postEntrypoint: text("post-entrypoint"),
    };
    return { kind: "docker", image, args, env, ...entrypoints, ...hooks };
  }
  if (/^node\d+$/i.test(using)) {
    const main = required(runs, "main", faults);
    return { kind: "javascript", using, main, pre: text("pre"), post: text("post"), ...hooks };
  }
  faults.error(valueAt(runs, "using"), `Unexpected value '${using}'`);
  return undefined;
}

function convertComposite(runs: TemplateToken, faults: Faults): ActionRuns {
  const list = itemsOf(valueAt(runs, "steps"));
  if (list.length > STEPS_PER_JOB) {
    faults.error(runs, `The action has ${list.length} steps; at most ${STEPS_PER_JOB} are allowed`);
    return { kind: "composite", steps: [] };
  }
  const steps = convertSteps(valueAt(runs, "steps"), faults).filter((step) => step.kind !== "control");
  // Faults were told where a step is neither; a step that is gone without one would be a bug of ours.
  if (steps.length !== list.length && faults.errors.length === 0) {
    faults.error(runs, `The action declares ${list.length} steps, but ${steps.length} were understood`);
  }
  return { kind: "composite", steps };
}

function required(runs: TemplateToken, name: string, faults: Faults): string {
  const text = textOf(valueAt(runs, name));
  if (text === undefined) faults.error(runs, `Required property is missing: ${name}`);
  return text ?? "";
}

function optional(token: TemplateToken | undefined, faults: Faults): Template | undefined {
  return token === undefined ? undefined : toTemplate(token, faults);
}
