/**
 * One step where it stands, in a job or in a composite action: condition, environment, execution, conclusion
 * (ACTIONS-CONTRACT §3.3, §3.4). Composite actions are here because they are steps of steps.
 */
import { ExpressionError, isTruthy, toText } from "../expression/evaluate.ts";
import type { ExpressionTemplate, Value } from "../expression/template.ts";
import { EngineError } from "../lib/engine-error.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { StepResult } from "../store/run-event.ts";
import type { PlannedStep, Way } from "../plan/plan.ts";
import type { Step, UsesStep } from "../workflow/workflow.ts";
import { childPlace, compositeScope, MAX_COMPOSITE_DEPTH, postBlock } from "./composite-action.ts";
import { executeCheckout } from "./execute-checkout.ts";
import { executeJavascript } from "./execute-javascript.ts";
import { executeScript } from "./execute-script.ts";
import { childWays, findAction } from "./find-action.ts";
import type { CompositeAction } from "./find-action.ts";
import type { JobRun } from "./job-run.ts";
import { addressOf, registerPost, savedBy } from "./job-state.ts";
import type { Post, Scope } from "./job-state.ts";
import { hasPre, remoteOf } from "./known-action.ts";
import { openStepLog } from "./open-step-log.ts";
import { plainStepName, stepName } from "./step-name.ts";
import { evaluateIn, fail, givenInputs } from "./step-run.ts";
import type { Execution, StepPlace, StepRun } from "./step-run.ts";
import { timeLimit } from "./time-limit.ts";
import { booleanOf, numberOf, textMapping } from "./typed-value.ts";

export type StepEnd =
  | { readonly kind: "skipped"; readonly reason: string }
  | ({
      readonly kind: "ran";
      readonly conclusion: StepResult;
      readonly outputs: Readonly<Record<string, string>>;
    } & Execution);

/** Throws only `EngineError`: the machine is lost. Whatever the step does wrong is its end. */
export async function runStep(job: JobRun, { step, way }: PlannedStep, place: StepPlace): Promise<StepEnd> {
  const end = await runBody(job, step, place, {
    condition: step.condition,
    execute: (run) => execute({ ...run, action: remoteOf(way, step) }, way),
  });
  if (step.idGiven) {
    place.scope.steps[step.id] =
      end.kind === "skipped" ? { outputs: {}, outcome: "skipped", conclusion: "skipped" } : end;
  }
  return end;
}

/** What the phases of a step differ in. */
export interface StepBody {
  readonly condition: ExpressionTemplate;
  readonly execute: (run: StepRun) => Promise<Execution>;
}

/** Condition, environment, time limit and conclusion around whatever the body does. */
export async function runBody(job: JobRun, step: Step, place: StepPlace, body: StepBody): Promise<StepEnd> {
  // Without a prototype: a step may name an output `__proto__`.
  const outputs: Record<string, string> = Object.create(null);
  const state = savedBy(job.state, addressOf(place.scope, step));
  if (job.cancel.aborted) noteCancel(job, place);
  const seen = { outputs, state, env: place.scope.env };
  const log = openStepLog(job, place.ref, seen);
  const { env: envAround, action } = place.scope;
  const before: StepRun = { ...place, job, step, log, env: envAround, outputs, state, insists: false, action };

  // Errors in `if` and `env` fail the step, and continue-on-error does not apply to them (ACTIONS-CONTRACT §3.3).
  const start = await orProblem(async () => {
    const own = step.env === undefined ? {} : textMapping(await evaluateIn(before, step.env), "env");
    // First, because the condition may read it.
    const run = { ...before, env: { ...place.scope.env, ...own } };
    if (!(await conditionHolds(run, body.condition))) return undefined;
    return { env: run.env, insists: await insists(run, body.condition) };
  });
  if (start.kind === "problem") {
    worsen(job, place, "failure");
    return { kind: "ran", ...fail(before, start.message), conclusion: "failure", outputs };
  }
  if (start.value === undefined)
    return {
      kind: "skipped",
      reason: `its condition was false: ${body.condition.source || body.condition.expression}`,
    };

  const run: StepRun = { ...before, ...start.value };
  seen.env = run.env;
  const execution = await withinTimeout(run, body.execute);
  const conclusion = await conclude(run, execution);
  worsen(job, place, conclusion);
  if (job.cancel.aborted) noteCancel(job, place);
  return { kind: "ran", ...execution, conclusion, outputs };
}

async function conditionHolds(run: StepRun, condition: ExpressionTemplate): Promise<boolean> {
  const { job, log } = run;
  if (job.debug) log.debug(`Evaluating condition for step: '${nameOf(run)}'`);
  log.debug(`Evaluating: ${condition.expression}`);
  const value = await evaluateIn(run, condition);
  log.debug(`Result: ${debugText(value)}`);
  return isTruthy(value);
}

/**
 * Whether the step goes on when the job is cancelled: GitHub asks the condition of a running step again then
 * (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-cancellation). Asked before it starts, so that a
 * cancel never waits for an answer; what the condition reads does not change while the step runs.
 */
async function insists(run: StepRun, condition: ExpressionTemplate): Promise<boolean> {
  const { job, scope } = run;
  if (job.cancel.aborted) return true;
  const cancelled: StepRun = {
    ...run,
    job: { ...job, state: { ...job.state, status: "cancelled" } },
    scope: { ...scope, status: "cancelled" },
  };
  // One that cannot be evaluated then lets the step be cancelled.
  const asked = await orProblem(() => evaluateIn(cancelled, condition));
  return asked.kind === "value" && isTruthy(asked.value);
}

/** A limit that cannot be evaluated is none, and is said; GitHub's runner does the same. */
async function withinTimeout(run: StepRun, execute: StepBody["execute"]): Promise<Execution> {
  const { timeoutMinutes } = run.step;
  const limited = await orProblem(async () =>
    timeoutMinutes === undefined ? 0 : numberOf(await evaluateIn(run, timeoutMinutes), "timeout-minutes"),
  );
  if (limited.kind === "problem") run.log.error(limited.message);
  const minutes = limited.kind === "problem" ? 0 : limited.value;
  const done = await orProblem(async () => {
    using limit = timeLimit(minutes);
    const execution = await execute({ ...run, timeout: AbortSignal.any([run.timeout, limit.signal]) });
    return limit.signal.aborted && execution.outcome === "failure"
      ? fail(run, `The action '${nameOf(run)}' has timed out after ${Math.floor(minutes)} minutes.`)
      : execution;
  });
  return done.kind === "problem" ? fail(run, done.message) : done.value;
}

/** A step of a composite action is called as its author wrote it. */
function nameOf({ job, step, scope }: StepRun): string {
  return scope.kind === "job" ? stepName(job, step) : plainStepName(step);
}

/** As GitHub's debug log writes values. */
function debugText(value: Value): string {
  if (typeof value === "string") return `'${value}'`;
  if (value === null || typeof value !== "object") return toText(value) || "null";
  return Array.isArray(value) ? "Array" : "Object";
}

/** `continue-on-error` is asked only after a failure, with what the step left behind. */
async function conclude(run: StepRun, execution: Execution): Promise<StepResult> {
  const { continueOnError } = run.step;
  if (execution.outcome !== "failure" || continueOnError === undefined) return execution.outcome;
  const ended: StepRun = { ...run, scope: { ...run.scope, steps: withOwnEntry(run, execution) } };
  const tolerated = await orProblem(async () =>
    booleanOf(await evaluateIn(ended, continueOnError), "continue-on-error"),
  );
  if (tolerated.kind === "problem") run.log.error(tolerated.message);
  return tolerated.kind === "value" && tolerated.value ? "success" : "failure";
}

/** What the step has put out can be read by its own `continue-on-error`, before the others see it. */
function withOwnEntry({ step, scope, outputs }: StepRun, { outcome }: Execution): Scope["steps"] {
  return step.idGiven ? { ...scope.steps, [step.id]: { outputs, outcome, conclusion: outcome } } : scope.steps;
}

/** From here on success() and failure() are false, in the job and in the composite around. */
function noteCancel(job: JobRun, place: StepPlace): void {
  job.state.status = "cancelled";
  if (place.phase === "main") place.scope.status = "cancelled";
}

/** Later steps cannot repair a result: it only becomes worse, and `cancelled` is worse than `failure`. */
function worsen(job: JobRun, place: StepPlace, conclusion: StepResult): void {
  const holder = place.scope.kind === "composite" ? place.scope : job.state;
  if (conclusion === "cancelled") holder.status = "cancelled";
  else if (conclusion === "failure" && holder.status === "success") holder.status = "failure";
}

async function execute(run: StepRun, way: Way): Promise<Execution> {
  const { step } = run;
  if (step.kind === "run") return executeScript(run, step);
  if (step.kind === "control") throw new Error(`A '${step.control}' step where only run and uses can stand`);
  const given = await givenInputs(run, step);
  const action = await findAction(run, step, way, given);
  switch (action.kind) {
    case "checkout":
      return executeCheckout(run, given);
    case "javascript":
      return executeJavascript(run, step, action);
    case "composite":
      return executeComposite(run, step, way, action);
    case "refused":
      return fail(run, action.message);
    default:
      return unreachable(action);
  }
}

/** Its result is what its children's conclusions make of it; its outputs are evaluated whatever that is. */
async function executeComposite(run: StepRun, step: UsesStep, way: Way, action: CompositeAction): Promise<Execution> {
  const { job } = run;
  if (run.scope.depth >= MAX_COMPOSITE_DEPTH) {
    return fail(run, `Composite actions are nested more than ${MAX_COMPOSITE_DEPTH} deep at '${step.uses}'`);
  }
  const found = await childWays(run, way, action);
  if (found.kind === "refused") return fail(run, found.message);
  // What is in the workspace is read only now, too late for a `pre`, also for that of the actions it uses.
  if (action.action === undefined && found.ways.some((child) => hasPre(job, child))) {
    run.log.warning(`\`pre\` execution is not supported for local action from '${step.uses}'`);
  }
  const scope = compositeScope(run, step, action, action.inputs);
  const posts: Post[] = [];
  let firstFailure: Execution | undefined;
  const place = childPlace(run, scope, posts);
  for (const [index, child] of action.runs.steps.entries()) {
    if (job.kill.aborted) break;
    const childWay = found.ways[index];
    if (childWay === undefined) throw new Error(`Step ${index + 1} of '${step.uses}' has no way`);
    const end = await runStep(job, { step: child, way: childWay }, place);
    if (end.kind === "ran" && end.conclusion !== "success") firstFailure ??= end;
  }
  if (posts.length > 0) registerPost(run.posts, postBlock(run, step, posts));

  const problem = await orProblem(async () => {
    for (const { name, value } of action.manifest.outputs) {
      if (value !== undefined) run.outputs[name] = toText(await evaluateIn({ ...run, scope }, value));
    }
  });
  if (problem.kind === "problem") return fail(run, problem.message);
  const { status } = scope;
  return {
    outcome: status,
    exitCode: firstFailure?.exitCode,
    message: firstFailure?.message,
    trouble: firstFailure?.trouble,
  };
}

/** An expression that cannot be evaluated, or a request that the machine refuses, fails the step; everything else rises. */
async function orProblem<T>(
  work: () => Promise<T>,
): Promise<{ readonly kind: "value"; readonly value: T } | { readonly kind: "problem"; readonly message: string }> {
  try {
    return { kind: "value", value: await work() };
  } catch (error) {
    if (error instanceof ExpressionError) return { kind: "problem", message: error.message };
    if (error instanceof EngineError && error.code === "GUEST_REFUSED")
      return { kind: "problem", message: error.message };
    throw error;
  }
}
