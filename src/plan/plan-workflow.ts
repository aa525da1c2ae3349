/**
 * Workflow and event to plan: whether it starts, with which inputs, which jobs in which order, which matrix cells, and the way
 * each step will run. Every declared step is in the plan or the plan is refused; nothing is dropped silently.
 * Pure. What Hearth cannot run yet is planned like the rest and named by `unsupported.ts`. Source: DESIGN §1.1 and §2.3.
 */
import { githubContext } from "../context/github-context.ts";
import { entriesOf, isMapping } from "../context/mapping.ts";
import { toText } from "../expression/coerce.ts";
import type { Scope } from "../expression/evaluate.ts";
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import type { Job, Step, StepsJob, Workflow } from "../workflow/workflow.ts";
import { filterConflicts } from "./filter-conflicts.ts";
import { dispatchInputs } from "./dispatch-inputs.ts";
import type { CalledWorkflows } from "./called-workflow.ts";
import type { Event } from "./event.ts";
import { matchTrigger } from "./match-trigger.ts";
import type { TriggerMatch } from "./match-trigger.ts";
import { planWarnings } from "./plan-warnings.ts";
import { orderJobs, withNeeds } from "./order-jobs.ts";
import { planCells, selectCells } from "./plan-cells.ts";
import type { MatrixSelection } from "./plan-cells.ts";
import type { Plan, PlannedJob, PlannedStep, PlanResult, Way } from "./plan.ts";
import type { RunnerMap } from "./runner-map.ts";

export interface PlanRequest {
  readonly event: Event;
  /** As a person wrote them; for `workflow_dispatch` only. */
  readonly inputs: { readonly [name: string]: string };
  readonly vars: { readonly [name: string]: string };
  readonly chooseWay: WayChooser;
  readonly called: CalledWorkflows;
  readonly runners: RunnerMap;
  readonly select: Selection;
  /** What reading the file had to say; handed on. */
  readonly warnings: readonly Diagnostic[];
}

/** Never throws for anything a step says: what cannot run is a way too. */
export type WayChooser = (step: Step, job: StepsJob) => Way;

interface Selection {
  /** This job, in any case, and everything it needs; undefined: all. */
  readonly job: string | undefined;
  readonly matrix: readonly MatrixSelection[];
}

/** Matrix cells of all jobs of a run together: 256 a job is GitHub's limit, and nothing there limits jobs. */
const MAX_CELLS_OF_A_RUN = 10_000;

export function planWorkflow(workflow: Workflow, request: PlanRequest): PlanResult {
  const conflicts = filterConflicts(workflow);
  if (conflicts.length > 0) return { kind: "refused", path: workflow.path, diagnostics: conflicts };
  const match = matchTrigger(workflow, request.event);
  const start = withInputs(workflow, match, request);
  if (isRefused(start)) return start;
  const github = githubContext({ event: start.event, workflow });
  const known = { github, vars: objectFromEntries(Object.entries(request.vars)) };
  // Nobody has given the inputs of a workflow that does not start, or that another one calls.
  const hasInputs = match.matched && match.trigger.event !== "workflow_call";
  const contexts = hasInputs ? { ...known, inputs: start.inputs } : known;
  const jobs = planJobs(workflow, contexts, { chooseWay: request.chooseWay, starts: match.matched });
  if (isRefused(jobs)) return jobs;
  const missing = stepsMissing(workflow, jobs.planned);
  if (missing !== undefined) return missing;
  const choice = select(workflow, jobs.planned, request.select);
  if (isRefused(choice) && match.matched) return choice;
  // What was chosen is often not in the other files of a directory; those that do not start need not have it.
  const selected = isRefused(choice) ? jobs.planned : choice;

  const heldSteps = selected.reduce((sum, planned) => sum + planned.steps.length, 0);
  const declaredSteps = selected.reduce((sum, { job }) => sum + stepsOf(job).length, 0);
  const plan: Plan = { workflow, ...start, jobs: selected, declaredSteps, heldSteps };
  const warnings = [...request.warnings, ...jobs.warnings, ...planWarnings(plan, request.select.matrix)];
  return match.matched
    ? { kind: "planned", plan, warnings }
    : { kind: "not_triggered", plan, warnings, reason: match.reason };
}

/** A job's declared steps in their order; the steps of a `parallel` follow it. */
export function stepsOf(job: Job): readonly Step[] {
  return job.kind === "call" ? [] : job.steps.flatMap(flatten);
}

type Refused = Extract<PlanResult, { kind: "refused" }>;

function flatten(step: Step): readonly Step[] {
  return step.kind === "control" ? [step, ...step.steps.flatMap(flatten)] : [step];
}

function withInputs(
  workflow: Workflow,
  match: TriggerMatch,
  { event, inputs, vars }: PlanRequest,
): Pick<Plan, "event" | "inputs"> | Refused {
  if (!match.matched) return { event, inputs: objectFromEntries([]) };
  if (event.name !== "workflow_dispatch") {
    const [name] = Object.keys(inputs);
    if (name === undefined) return { event, inputs: objectFromEntries([]) };
    return refuse(
      workflow,
      match.trigger,
      `on.${event.name}`,
      `Input '${name}' is for workflow_dispatch; the event is ${event.name}`,
    );
  }
  const payloadInputs = event.payload["inputs"];
  const delivered = isMapping(payloadInputs)
    ? entriesOf(payloadInputs).map(([name, value]) => [name, toText(value)])
    : [];
  const given: { readonly [name: string]: string } = { ...Object.fromEntries(delivered), ...inputs };
  const contexts = { github: githubContext({ event, workflow }), vars: objectFromEntries(Object.entries(vars)) };
  const dispatched = dispatchInputs(workflow, match.trigger, given, contexts);
  if (dispatched.kind === "refused") return { ...dispatched, path: workflow.path };
  const payload = objectFromEntries([...Object.entries(event.payload), ["inputs", dispatched.eventInputs]]);
  return { event: { ...event, payload }, inputs: dispatched.inputs };
}

function planJobs(
  workflow: Workflow,
  contexts: Scope["contexts"],
  { chooseWay, starts }: { readonly chooseWay: WayChooser; readonly starts: boolean },
): { readonly planned: readonly PlannedJob[]; readonly warnings: readonly Diagnostic[] } | Refused {
  const order = orderJobs(workflow.jobs);
  if (order.kind === "stuck") {
    const [first] = order.jobs;
    const ids = order.jobs.map((job) => job.id).join(", ");
    return refuse(
      workflow,
      first,
      `jobs.${first?.id}.needs`,
      `Jobs need one another, or a job that is not there: ${ids}`,
    );
  }
  const planned: PlannedJob[] = [];
  const warnings: Diagnostic[] = [];
  const errors: Diagnostic[] = [];
  let cellCount = 0;
  for (const job of order.jobs) {
    const at = job.strategy?.matrix?.at ?? job.at;
    const fault = { file: workflow.path, at, key: `jobs.${job.id}.strategy.matrix` };
    const cells = planCells(job, contexts, starts);
    if (cells.kind === "refused") {
      errors.push({ ...fault, kind: "error", message: `Job '${job.id}': ${cells.message}` });
      continue;
    }
    if (cells.kind === "dynamic" && cells.warning !== undefined) {
      warnings.push({ ...fault, kind: "warning", message: `Job '${job.id}': ${cells.warning}` });
    }
    cellCount += cells.kind === "cells" ? cells.cells.length : 0;
    if (cellCount > MAX_CELLS_OF_A_RUN) {
      return refuse(
        workflow,
        job,
        "jobs",
        `The workflow has more than ${MAX_CELLS_OF_A_RUN} jobs, matrix cells counted`,
      );
    }
    planned.push({
      job,
      cells: cells.kind === "cells" ? cells.cells : "dynamic",
      steps: planSteps(job, chooseWay),
      called: undefined,
    });
  }
  return errors.length > 0 ? { kind: "refused", path: workflow.path, diagnostics: errors } : { planned, warnings };
}

function planSteps(job: Job, chooseWay: WayChooser): readonly PlannedStep[] {
  return job.kind === "call" ? [] : stepsOf(job).map((step) => ({ step, way: chooseWay(step, job) }));
}

/** The guard of the first promise: what the file declares and what would run are counted apart from each other. */
function stepsMissing(workflow: Workflow, planned: readonly PlannedJob[]): Refused | undefined {
  const held = planned.reduce((sum, { steps }) => sum + steps.length, 0);
  if (held === workflow.declaredSteps) return undefined;
  const message = `The file declares ${workflow.declaredSteps} steps and the plan holds ${held}; running it could pass over steps`;
  return refuse(workflow, undefined, "jobs", message);
}

function select(
  workflow: Workflow,
  planned: readonly PlannedJob[],
  { job: id, matrix }: Selection,
): readonly PlannedJob[] | Refused {
  let kept = planned;
  if (id !== undefined) {
    const jobs = planned.map(({ job }) => job);
    const wanted = jobs.find((job) => job.id.toLowerCase() === id.toLowerCase());
    if (wanted === undefined) {
      return refuse(
        workflow,
        undefined,
        "jobs",
        `There is no job '${id}'; there are: ${jobs.map((job) => job.id).join(", ")}`,
      );
    }
    const needed = new Set(withNeeds(jobs, wanted));
    kept = planned.filter(({ job }) => needed.has(job));
  }
  const selected = selectCells(kept, matrix);
  return typeof selected === "string" ? refuse(workflow, undefined, "jobs", selected) : selected;
}

function isRefused(result: object): result is Refused {
  return "kind" in result && result.kind === "refused";
}

function refuse(
  workflow: Workflow,
  place: { readonly at: Diagnostic["at"] } | undefined,
  key: string,
  message: string,
): Refused {
  return {
    kind: "refused",
    path: workflow.path,
    diagnostics: [{ kind: "error", file: workflow.path, at: place?.at, key, message }],
  };
}
