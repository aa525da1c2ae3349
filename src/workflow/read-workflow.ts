/**
 * A workflow file, from text to `Workflow`: limits, YAML, GitHub's reader and schema, our converters. Either everything
 * that the file declares is held, or the file is refused with diagnostics that say where and why: declared steps are
 * counted in the raw YAML, and a file where the count and the model differ is refused by name.
 * Source: ACTIONS-CONTRACT §1.5, §3, §7.
 */
import type { Document } from "yaml";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { checkConcurrency } from "./check-job.ts";
import { convertDefaults, convertJobs, optional } from "./convert-jobs.ts";
import { flattenSteps } from "./convert-steps.ts";
import { convertTriggers } from "./convert-triggers.ts";
import { countDeclaredSteps, stepsByJob } from "./count-declared-steps.ts";
import type { Faults } from "./faults.ts";
import { READ_LIMITS, type ReadLimits, STEPS_PER_JOB } from "./limits.ts";
import { convertPermissions } from "./permissions.ts";
import { readTokens } from "./read-tokens.ts";
import { getWorkflowSchema } from "./schema.ts";
import { placeOf } from "./to-template.ts";
import { textOf, valueAt } from "./token-access.ts";
import type { TemplateToken } from "@actions/workflow-parser/templates/tokens/index";
import type { Workflow } from "./workflow.ts";

export type ReadResult =
  | { readonly kind: "read"; readonly workflow: Workflow; readonly warnings: readonly Diagnostic[] }
  | {
      readonly kind: "refused";
      readonly diagnostics: readonly Diagnostic[];
      /** Counted in what could be understood of the YAML; undefined when nothing could. */
      readonly declaredSteps: number | undefined;
    };

/** `path` is relative to the repository's root. Pure; never throws for what is in the text. */
export function readWorkflow(path: string, text: string, limits: ReadLimits = READ_LIMITS): ReadResult {
  const tokens = readTokens(path, text, getWorkflowSchema(), "workflow-root-strict", isIgnoredByGitHub, limits);
  if (tokens.kind === "refused") return refuse(tokens.diagnostics, tokens.document);
  const { root, faults, document, sizeBytes } = tokens;
  const crowded = crowdedJob(path, document, root);
  if (crowded !== undefined) return refuse([crowded], document);
  if (faults.errors.length > 0) return refuse([...faults.errors, ...faults.warnings], document);
  const measures = { declaredSteps: countDeclaredSteps(document), sizeBytes };
  const workflow = convertWorkflow(path, root, measures, faults);
  if (faults.errors.length > 0) return refuse([...faults.errors, ...faults.warnings], document);
  const missing = missingSteps(workflow);
  if (missing !== undefined) return refuse([missing], document);
  return { kind: "read", workflow, warnings: faults.warnings };
}

function convertWorkflow(
  path: string,
  root: TemplateToken,
  measures: Pick<Workflow, "declaredSteps" | "sizeBytes">,
  faults: Faults,
): Workflow {
  const jobs = valueAt(root, "jobs");
  checkConcurrency(valueAt(root, "concurrency"), faults);
  return {
    path,
    name: textOf(valueAt(root, "name")),
    runName: optional(valueAt(root, "run-name"), faults),
    triggers: convertTriggers(valueAt(root, "on"), faults),
    env: optional(valueAt(root, "env"), faults),
    defaults: convertDefaults(valueAt(root, "defaults"), faults),
    permissions: convertPermissions(valueAt(root, "permissions")),
    concurrency: optional(valueAt(root, "concurrency"), faults),
    jobs: jobs === undefined ? [] : convertJobs(jobs, faults),
    ...measures,
  };
}

/**
 * Keys that mean nothing under an event, filters with nothing behind them, and `cache-mode`, which GitHub's schema here
 * does not know yet.
 */
function isIgnoredByGitHub(key: string, message: string): boolean {
  if (message === "Unexpected value ''" && FILTER.test(key)) return true;
  if (message === "Unexpected value 'cache-mode'") return true;
  const unexpected = /^Unexpected value '(.*)'$/s.exec(message)?.[1];
  if (unexpected !== undefined && key.endsWith(`.${unexpected}`)) {
    return /^on\.\w+\.[^.[\]]+$/.test(key) || /^on\.workflow_dispatch\.inputs\.[^.[\]]+\.[^.[\]]+$/.test(key);
  }
  return message === "A mapping was not expected" && /^on\.(?!schedule$)\w+$/.test(key);
}

const FILTER = /^on\.\w+\.(?:(?:branches|tags|paths)(?:-ignore)?|types|workflows)$/;

function crowdedJob(file: string, document: Document, root: TemplateToken): Diagnostic | undefined {
  const crowded = stepsByJob(document).find(([, steps]) => steps > STEPS_PER_JOB);
  if (crowded === undefined) return undefined;
  const [job, steps] = crowded;
  const message = `Job '${job}' has ${steps} steps; at most ${STEPS_PER_JOB} are allowed`;
  const token = valueAt(valueAt(valueAt(root, "jobs"), job), "steps");
  const at = token === undefined ? undefined : placeOf(token);
  return { kind: "error", file, at, key: `jobs.${job}.steps`, message };
}

/** Names the first job that holds another number of steps than it declares: a bug of ours must not run a part as the whole. */
function missingSteps({ path, jobs, declaredSteps }: Workflow): Diagnostic | undefined {
  const held = jobs.reduce((sum, job) => sum + (job.kind === "steps" ? flattenSteps(job.steps).length : 0), 0);
  if (held === declaredSteps) return undefined;
  const message = `The file declares ${declaredSteps} steps, but ${held} were understood; it is not run in part`;
  return { kind: "error", file: path, at: undefined, key: "jobs", message };
}

function refuse(diagnostics: readonly Diagnostic[], document: Document | undefined): ReadResult {
  const declaredSteps = document === undefined ? undefined : countDeclaredSteps(document);
  return { kind: "refused", diagnostics, declaredSteps };
}
