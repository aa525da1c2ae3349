/**
 * What a plan asks for that Hearth cannot run yet, found before any machine starts: a plan with one of these is shown by
 * `hearth plan` and refused by `hearth run`, so a step is never passed over because something around it was not understood.
 * An expression that cannot be evaluated while planning is left for run time, where the engine asks the runner map again.
 */
import { githubContext } from "../context/github-context.ts";
import { strategyContext } from "../context/job-context.ts";
import { isMapping, member } from "../context/mapping.ts";
import { toText } from "../expression/coerce.ts";
import { evaluate, ExpressionError } from "../expression/evaluate.ts";
import type { Scope } from "../expression/evaluate.ts";
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { Template, Value } from "../expression/template.ts";
import type { Diagnostic, Position } from "../lib/diagnostic.ts";
import type { Step, StepsJob } from "../workflow/workflow.ts";
import { isKnownLater } from "./plan-cells.ts";
import type { Plan, PlannedJob, PlannedWorkflow, RemoteAction, Way } from "./plan.ts";
import { runnerLabels } from "./runner-map.ts";
import type { RunnerMap } from "./runner-map.ts";

/** What is known beside the plan when it is judged. */
export interface RunKnowledge {
  readonly runners: RunnerMap;
  readonly vars: { readonly [name: string]: string };
}

/** `unsupported` for what cannot run, `warning` for runners nobody has explained; in the order of the plan. */
export function unsupportedInPlan(
  plan: PlannedWorkflow & Pick<Plan, "event">,
  known: RunKnowledge,
): readonly Diagnostic[] {
  return unsupportedInWorkflow(plan, contextsOfRun(plan, known), known.runners);
}

/** What every workflow of the run knows while planning. */
export function contextsOfRun(plan: Pick<Plan, "event" | "workflow">, { vars }: RunKnowledge): Scope["contexts"] {
  return { github: githubContext(plan), vars: objectFromEntries(Object.entries(vars)) };
}

/** A called workflow's faults stand in its own file. */
function unsupportedInWorkflow(
  planned: PlannedWorkflow,
  known: Scope["contexts"],
  runners: RunnerMap,
): readonly Diagnostic[] {
  return planned.jobs.flatMap((plannedJob) => {
    const { job, called } = plannedJob;
    if (called?.kind === "missing") return called.diagnostics;
    if (called !== undefined) return unsupportedInWorkflow(called.plan, known, runners);
    return faultsOfPlanned(plannedJob, scopesOf(plannedJob, planned, known), runners).map(
      ({ kind, at, key, message }): Diagnostic => {
        return { kind, file: planned.workflow.path, at, key: `jobs.${job.id}.${key}`, message };
      },
    );
  });
}

/** Of a job that has steps, in these of its `scopesOf`. */
export function faultsOfPlanned(planned: PlannedJob, scopes: readonly Scope[], runners: RunnerMap): readonly Fault[] {
  const { job } = planned;
  return job.kind === "call" ? [] : [...faultsOfJob(job, scopes, runners), ...faultsOfSteps(planned)];
}

interface Fault {
  readonly kind: "unsupported" | "warning";
  readonly at: Position;
  /** Below the job. */
  readonly key: string;
  readonly message: string;
}

function faultsOfJob(job: StepsJob, scopes: readonly Scope[], runners: RunnerMap): readonly Fault[] {
  const faults = runnerFaults(job, scopes, runners);
  if (job.container !== undefined && namesImage(job.container, scopes)) {
    const message = "A job container is unsupported: remove container: and install what its image holds in a step";
    faults.push({ kind: "unsupported", at: job.container.at, key: "container", message });
  }
  if (job.services !== undefined && namesService(job.services, scopes)) {
    const message = "A service container is unsupported: remove services: and start the service in a step";
    faults.push({ kind: "unsupported", at: job.services.at, key: "services", message });
  }
  return faults;
}

/** Each message once, however many cells have it. */
function runnerFaults(job: StepsJob, scopes: readonly Scope[], runners: RunnerMap): Fault[] {
  const faults = new Map<string, Fault>();
  for (const runsOn of valuesOf(job.runsOn, scopes)) {
    const answer = runners(runnerLabels(runsOn));
    const message = answer.kind === "unsupported" ? answer.message : answer.warning;
    const kind = answer.kind === "unsupported" ? "unsupported" : "warning";
    if (message !== undefined) faults.set(message, { kind, at: job.runsOn.at, key: "runs-on", message });
  }
  return [...faults.values()];
}

function faultsOfSteps({ job, steps }: PlannedJob): readonly Fault[] {
  const keys = job.kind === "call" ? new Map<Step, string>() : keysOfSteps(job.steps, "steps");
  return steps.flatMap(({ step, way }) =>
    unsupportedWays(way, []).map((message): Fault => {
      const key = keys.get(step) ?? `steps[${step.number - 1}]`;
      return step.kind === "uses"
        ? { kind: "unsupported", at: step.usesAt, key: `${key}.uses`, message }
        : { kind: "unsupported", at: step.at, key, message };
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
  const name = way.action === undefined ? way.path : actionName(way.action);
  return way.steps.flatMap((step) => unsupportedWays(step.way, [...within, `${name} (${step.name})`]));
}

function actionName({ repository, path, ref }: RemoteAction): string {
  return `${repository}${path === "" ? "" : `/${path}`}@${ref}`;
}

/** One for each cell; a job whose matrix is not known has one without `matrix` and `strategy`. Its environment may change `vars`. */
export function scopesOf(
  { job, cells }: PlannedJob,
  { inputs }: PlannedWorkflow,
  known: Scope["contexts"],
): readonly Scope[] {
  const { vars: _, ...others } = known;
  const ofRun = job.kind === "steps" && job.environment !== undefined ? others : known;
  const contexts = inputs === undefined ? ofRun : { ...ofRun, inputs };
  if (cells === "dynamic") return [{ contexts, functions: {} }];
  return cells.map(({ values }, index) => {
    const strategy = strategyContext(index, cells.length, { failFast: undefined, maxParallel: undefined });
    return { contexts: { ...contexts, matrix: values, strategy }, functions: {} };
  });
}

/** The values the template has in the scopes; none where it reads what is not known yet. */
function valuesOf(template: Template, scopes: readonly Scope[]): readonly Value[] {
  const known = scopes.filter(({ contexts }) => !isKnownLater(template, contexts));
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
