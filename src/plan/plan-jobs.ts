/**
 * The jobs of a workflow: their order, their matrix cells, the way of each step, and below a job that calls a workflow the jobs
 * of that one, in the same way. What a call's inputs are is often known only when it starts; then what reads them is, too.
 * Source: ACTIONS-CONTRACT §1.5; https://docs.github.com/en/actions/reference/workflows-and-actions/reusing-workflow-configurations
 */
import { isMapping } from "../context/mapping.ts";
import { strategyContext } from "../context/job-context.ts";
import { evaluate, ExpressionError } from "../expression/evaluate.ts";
import type { Scope } from "../expression/evaluate.ts";
import { objectFromEntries } from "../expression/ordered-object.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { CallTree } from "../workflow/call-limits.ts";
import { checkCall, checkCallPermissions } from "../workflow/check-call.ts";
import type { PermissionsLink } from "../workflow/permissions.ts";
import type { CallJob, Job, Step, StepsJob, Workflow } from "../workflow/workflow.ts";
import { callInputs } from "./call-inputs.ts";
import type { CalledWorkflows } from "./called-workflow.ts";
import { MatrixWork } from "./expand-matrix.ts";
import { orderJobs } from "./order-jobs.ts";
import { isKnownLater, planCells } from "./plan-cells.ts";
import type { CalledPlan, PlannedJob, PlannedStep, PlannedWorkflow, Way, WorkflowOrigin } from "./plan.ts";

/** Never throws for anything a step says: what cannot run is a way too. `origin` is where the file is from that says it. */
export type WayChooser = (step: Step, job: StepsJob, origin: WorkflowOrigin) => Way;

export interface JobsRequest {
  readonly origin: WorkflowOrigin;
  /** What is known of every workflow of the run while planning: github and vars. */
  readonly contexts: Scope["contexts"];
  /** Undefined where nobody has given them yet. */
  readonly inputs: PlannedWorkflow["inputs"];
  /** False: the event does not start the workflow, so what a matrix reads of it may well be missing. */
  readonly starts: boolean;
  readonly chooseWay: WayChooser;
  readonly called: CalledWorkflows;
}

export type JobsResult =
  | {
      readonly kind: "planned";
      readonly planned: PlannedWorkflow;
      readonly warnings: readonly Diagnostic[];
    }
  | { readonly kind: "refused"; readonly diagnostics: readonly Diagnostic[] };

/** Matrix cells of all jobs of a run together: 256 a job is GitHub's limit, and nothing there limits jobs. */
const MAX_CELLS_OF_A_RUN = 10_000;

/** Jobs of called workflows are counted in, but not what the cells of a calling job multiply. */
export function planJobs(workflow: Workflow, request: JobsRequest): JobsResult {
  return planLevel(workflow, request, {
    budget: { cells: MAX_CELLS_OF_A_RUN },
    work: new MatrixWork(),
    tree: new CallTree(workflow),
    callers: [],
    calls: [],
  });
}

/** A job's declared steps in their order; the steps of a `parallel` follow it. */
export function stepsOf(job: Job): readonly Step[] {
  return job.kind === "call" ? [] : job.steps.flatMap(flatten);
}

/** Steps of jobs, those of called workflows counted in. */
export function countSteps(jobs: readonly PlannedJob[]): { readonly declared: number; readonly held: number } {
  const counts = { declared: 0, held: 0 };
  for (const { job, steps, called } of jobs) {
    counts.declared += stepsOf(job).length + (called?.kind === "called" ? called.plan.declaredSteps : 0);
    counts.held += steps.length + (called?.kind === "called" ? called.plan.heldSteps : 0);
  }
  return counts;
}

interface Level {
  readonly budget: { cells: number };
  /** What the matrices of the plan may cost together. */
  readonly work: MatrixWork;
  readonly tree: CallTree;
  /** Paths of the workflows that lead here, and the jobs in them that call, outermost first. */
  readonly callers: readonly string[];
  readonly calls: readonly PermissionsLink[];
}

function planLevel(workflow: Workflow, request: JobsRequest, level: Level): JobsResult {
  const refuse = (at: Diagnostic["at"], key: string, message: string): JobsResult => ({
    kind: "refused",
    diagnostics: [{ kind: "error", file: workflow.path, at, key, message }],
  });
  const order = orderJobs(workflow.jobs);
  if (order.kind === "stuck") {
    const [first] = order.jobs;
    const ids = order.jobs.map((job) => job.id).join(", ");
    return refuse(first?.at, `jobs.${first?.id}.needs`, `Jobs need one another, or a job that is not there: ${ids}`);
  }
  const contexts = contextsOf(request);
  const jobs: PlannedJob[] = [];
  const warnings: Diagnostic[] = [];
  const errors: Diagnostic[] = [];
  for (const job of order.jobs) {
    const at = job.strategy?.matrix?.at ?? job.at;
    const fault = { file: workflow.path, at, key: `jobs.${job.id}.strategy.matrix` };
    const cells = planCells(job, contexts, request.starts, level.work);
    if (cells.kind === "refused") {
      errors.push({ ...fault, kind: "error", message: `Job '${job.id}': ${cells.message}` });
      continue;
    }
    if (cells.kind === "dynamic" && cells.warning !== undefined) {
      warnings.push({ ...fault, kind: "warning", message: `Job '${job.id}': ${cells.warning}` });
    }
    level.budget.cells -= cells.kind === "cells" ? cells.cells.length : 1; // at least one
    if (level.budget.cells < 0) {
      const message = `The workflow has more than ${MAX_CELLS_OF_A_RUN} jobs, matrix cells counted`;
      return refuse(job.at, "jobs", message);
    }
    const planned: PlannedJob = {
      job,
      cells: cells.kind === "cells" ? cells.cells : "dynamic",
      steps: planSteps(job, request),
      called: undefined,
    };
    if (job.kind === "steps") {
      jobs.push(planned);
      continue;
    }
    const call = planCall(workflow, { ...planned, job }, request, level);
    warnings.push(...call.warnings);
    errors.push(...call.errors);
    jobs.push({ ...planned, called: call.called });
  }
  if (errors.length > 0) return { kind: "refused", diagnostics: errors };
  const missing = stepsMissing(workflow, jobs);
  if (missing !== undefined) return refuse(undefined, "jobs", missing);
  const { declared, held } = countSteps(jobs);
  return {
    kind: "planned",
    planned: { workflow, inputs: request.inputs, jobs, declaredSteps: declared, heldSteps: held },
    warnings,
  };
}

interface PlannedCall {
  readonly called: CalledPlan | undefined;
  readonly warnings: readonly Diagnostic[];
  readonly errors: readonly Diagnostic[];
}

function refused(...errors: readonly Diagnostic[]): PlannedCall {
  return { called: undefined, warnings: [], errors };
}

function planCall(
  workflow: Workflow,
  planned: PlannedJob & { readonly job: CallJob },
  request: JobsRequest,
  level: Level,
): PlannedCall {
  const { job } = planned;
  const fault = (kind: Diagnostic["kind"], message: string): Diagnostic => {
    return { kind, file: workflow.path, at: job.usesAt, key: `jobs.${job.id}.uses`, message };
  };
  const found = request.called(job.uses, request.origin);
  if (found.kind === "missing") {
    // Like a step that cannot run: the plan is shown with it, and not started.
    const called: CalledPlan = { kind: "missing", diagnostics: [fault("unsupported", found.message)] };
    return { called, warnings: [], errors: [] };
  }
  if (found.kind === "invalid") return refused(fault("error", found.message));
  const callers = [...level.callers, workflow.path];
  if (callers.includes(found.path)) {
    return refused(fault("error", `The workflow calls itself: ${[...callers, found.path].join(" -> ")}`));
  }
  if (found.read.kind === "refused") {
    return refused(fault("error", `The called workflow cannot be read: ${found.path}`), ...found.read.diagnostics);
  }
  const called = found.read.workflow;
  const tooMuch = level.tree.add(called, callers.length);
  if (tooMuch !== undefined) return refused(fault("error", tooMuch));
  const calls = [...level.calls, { workflow, job }];
  const faults = [
    ...checkCall(workflow.path, job, called),
    // Whether the repository's tokens are restricted is not known here: refused is what GitHub refuses either way.
    ...checkCallPermissions({ file: workflow.path, job, called }, calls, "permissive"),
  ];
  if (faults.length > 0) return refused(...faults);
  const inputs = knownInputs(planned, called, request);
  const result = planLevel(
    called,
    {
      ...request,
      origin: found.origin,
      inputs,
      // Whether the call is reached is known only in the run, and what is odd in it may never matter.
      starts: request.starts && job.condition.expression === "success()",
    },
    { ...level, callers, calls },
  );
  if (result.kind === "refused") return refused(...result.diagnostics);
  const warnings = [...found.read.warnings, ...result.warnings];
  return { called: { kind: "called", plan: result.planned, origin: found.origin }, warnings, errors: [] };
}

/** The inputs of a call as far as planning can know them: given without `needs`, and not by the cells of a matrix. */
function knownInputs(
  { job, cells }: PlannedJob & { readonly job: CallJob },
  called: Workflow,
  request: JobsRequest,
): PlannedWorkflow["inputs"] {
  const [cell, ...others] = cells === "dynamic" ? [] : cells;
  const trigger = called.triggers.find(({ event }) => event === "workflow_call");
  if (cell === undefined || others.length > 0 || trigger === undefined) return undefined;
  const strategy = strategyContext(0, 1, { failFast: undefined, maxParallel: undefined });
  const known = { ...contextsOf(request), matrix: cell.values, strategy };
  if (job.with !== undefined && isKnownLater(job.with, known)) return undefined;
  try {
    const given = job.with === undefined ? null : evaluate(job.with, { contexts: known, functions: {} });
    const result = callInputs(trigger, isMapping(given) ? given : objectFromEntries([]), request.contexts);
    return result.kind === "inputs" ? result.inputs : undefined;
  } catch (error) {
    // The call meets it again when it starts, and fails with it.
    if (error instanceof ExpressionError) return undefined;
    throw error;
  }
}

function contextsOf({ contexts, inputs }: JobsRequest): Scope["contexts"] {
  return inputs === undefined ? contexts : { ...contexts, inputs };
}

function planSteps(job: Job, { chooseWay, origin }: JobsRequest): readonly PlannedStep[] {
  return job.kind === "call" ? [] : stepsOf(job).map((step) => ({ step, way: chooseWay(step, job, origin) }));
}

function flatten(step: Step): readonly Step[] {
  return step.kind === "control" ? [step, ...step.steps.flatMap(flatten)] : [step];
}

/** The guard of the first promise: what the file declares and what would run are counted apart from each other. */
function stepsMissing(workflow: Workflow, jobs: readonly PlannedJob[]): string | undefined {
  const held = jobs.reduce((sum, { steps }) => sum + steps.length, 0);
  if (held === workflow.declaredSteps) return undefined;
  return `The file declares ${workflow.declaredSteps} steps and the plan holds ${held}; running it could pass over steps`;
}
