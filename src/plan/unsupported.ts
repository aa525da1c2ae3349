/**
 * What a plan asks for that Hearth cannot run yet, found before any machine starts: a plan with one of these is shown by
 * `hearth plan` and refused by `hearth run`, so a step is never passed over because something around it was not understood.
 * An expression that cannot be evaluated while planning is left for run time, where the engine asks `unsupportedRunner` again.
 */
import { githubContext } from "../context/github-context.ts";
import { strategyContext } from "../context/job-context.ts";
import { isMapping, member } from "../context/mapping.ts";
import { isArray, toText } from "../expression/coerce.ts";
import { contextsReadBy, evaluate, ExpressionError } from "../expression/evaluate.ts";
import type { Scope } from "../expression/evaluate.ts";
import type { Template, Value } from "../expression/template.ts";
import type { Diagnostic, Position } from "../lib/diagnostic.ts";
import type { Step, StepsJob } from "../workflow/workflow.ts";
import type { Plan, PlannedJob, Way } from "./plan.ts";

/** In the order of the plan; empty when everything in it can run. */
export function unsupportedInPlan(plan: Plan): readonly Diagnostic[] {
  return plan.jobs.flatMap((planned) => {
    const { job } = planned;
    const faults =
      job.kind === "call" ? [callFault(job.usesAt)] : [...faultsOfJob(job, planned, plan), ...faultsOfSteps(planned)];
    return faults.map(({ at, key, message }): Diagnostic => {
      return { kind: "unsupported", file: plan.workflow.path, at, key: `jobs.${job.id}.${key}`, message };
    });
  });
}

/** Why jobs with these labels cannot run here, as a sentence with what to do; undefined when they can. */
export function unsupportedRunner(labels: readonly string[]): string | undefined {
  if (labels.some((label) => /^(?:linux|ubuntu)/iu.test(label))) return undefined;
  const foreign = labels.find((label) => /(?:^|[^a-z0-9])(?:windows|macos)(?![a-z])/iu.test(label));
  if (foreign === undefined) return undefined;
  return `The runner '${foreign}' is unsupported: machines run Linux. Run this job on GitHub, or leave it out with --job or --matrix`;
}

/** What `runs-on` came to, as a list: a label, a sequence of labels, or `{ group, labels }`. */
export function runnerLabels(runsOn: Value): readonly string[] {
  if (isMapping(runsOn)) return runnerLabels(member(runsOn, "labels") ?? []);
  return isArray(runsOn) ? runsOn.map((label) => toText(label)) : [toText(runsOn)];
}

interface Fault {
  readonly at: Position;
  /** Below the job. */
  readonly key: string;
  readonly message: string;
}

function callFault(at: Position): Fault {
  const message = "Calling a reusable workflow is unsupported: copy the jobs of the called workflow into this one";
  return { at, key: "uses", message };
}

function faultsOfJob(job: StepsJob, planned: PlannedJob, plan: Plan): readonly Fault[] {
  const faults: Fault[] = [];
  const scopes = scopesOf(planned, plan);
  const foreign = valuesOf(job.runsOn, scopes).map((runsOn) => unsupportedRunner(runnerLabels(runsOn)));
  for (const message of new Set(foreign)) {
    if (message !== undefined) faults.push({ at: job.runsOn.at, key: "runs-on", message });
  }
  if (job.container !== undefined && namesImage(job.container, scopes)) {
    const message = "A job container is unsupported: remove container: and install what its image holds in a step";
    faults.push({ at: job.container.at, key: "container", message });
  }
  if (job.services !== undefined && namesService(job.services, scopes)) {
    const message = "A service container is unsupported: remove services: and start the service in a step";
    faults.push({ at: job.services.at, key: "services", message });
  }
  return faults;
}

function faultsOfSteps({ job, steps }: PlannedJob): readonly Fault[] {
  const keys = job.kind === "call" ? new Map<Step, string>() : keysOfSteps(job.steps, "steps");
  return steps.flatMap(({ step, way }) =>
    unsupportedWays(way, []).map((message): Fault => {
      const key = keys.get(step) ?? `steps[${step.number - 1}]`;
      return step.kind === "uses" ? { at: step.usesAt, key: `${key}.uses`, message } : { at: step.at, key, message };
    }),
  );
}

function keysOfSteps(steps: readonly Step[], prefix: string): Map<Step, string> {
  return new Map(
    steps.flatMap((step, index) => {
      const key = `${prefix}[${index}]`;
      const inner = step.kind === "control" ? [...keysOfSteps(step.steps, `${key}.parallel`)] : [];
      return [[step, key], ...inner];
    }),
  );
}

/** A composite action may hold steps that cannot run, however deep; `within` names the way to them. */
function unsupportedWays(way: Way, within: readonly string[]): readonly string[] {
  if (way.kind === "unsupported") {
    const place = within.length === 0 ? "" : `In ${within.join(" > ")}: `;
    return [`${place}${way.what} is unsupported: ${way.fix}`];
  }
  if (way.kind !== "composite") return [];
  return way.steps.flatMap((step) => unsupportedWays(step.way, [...within, `${way.path} (${step.name})`]));
}

/** One for each cell; a job whose matrix is not known has one without `matrix` and `strategy`. */
function scopesOf({ cells }: PlannedJob, plan: Plan): readonly Scope[] {
  const contexts = { github: githubContext(plan), inputs: plan.inputs };
  if (cells === "dynamic") return [{ contexts, functions: {} }];
  return cells.map(({ values }, index) => {
    const strategy = strategyContext(index, cells.length, { failFast: undefined, maxParallel: undefined });
    return { contexts: { ...contexts, matrix: values, strategy }, functions: {} };
  });
}

/** The values the template has in the scopes; none where it reads what is not known yet. */
function valuesOf(template: Template, scopes: readonly Scope[]): readonly Value[] {
  const names = [...contextsReadBy(template)];
  const known = scopes.filter(({ contexts }) => names.every((name) => Object.hasOwn(contexts, name)));
  return known.flatMap((scope) => {
    try {
      return [evaluate(template, scope)];
    } catch (error) {
      // The engine meets the same error in the job's own place, and fails the job with it.
      if (error instanceof ExpressionError) return [];
      throw error;
    }
  });
}

/** An empty image means no container, as on GitHub; an image that is not known yet counts as one. */
function namesImage(container: Template, scopes: readonly Scope[]): boolean {
  const image = container.kind === "mapping" ? entry(container, "image") : container;
  if (image === undefined) return true;
  const images = valuesOf(image, scopes).map((value) => (isMapping(value) ? (member(value, "image") ?? null) : value));
  return images.length < scopes.length || images.some((image) => toText(image) !== "");
}

function namesService(services: Template, scopes: readonly Scope[]): boolean {
  if (services.kind === "mapping") return services.entries.some(({ value }) => namesImage(value, scopes));
  const values = valuesOf(services, scopes);
  return values.length < scopes.length || values.some((value) => isMapping(value) && Object.keys(value).length > 0);
}

function entry(mapping: Extract<Template, { kind: "mapping" }>, name: string): Template | undefined {
  return mapping.entries.find(({ key }) => key.kind === "literal" && key.value === name)?.value;
}
