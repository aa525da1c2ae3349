/**
 * One job in one machine: set up, steps, posts, outputs, conclusion (ACTIONS-CONTRACT §3.4). Every declared step of the job
 * gets exactly one fate, also when the machine is lost between two of them or while others run in the background.
 */
import { EngineError } from "../lib/engine-error.ts";
import { unreachable } from "../lib/unreachable.ts";
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import type { Conclusion } from "../store/run-event.ts";
import type { PlannedStep } from "../plan/plan.ts";
import type { StepLog } from "../joblog/step-log.ts";
import type { Permissions } from "../workflow/permissions.ts";
import type { Step } from "../workflow/workflow.ts";
import { BackgroundSteps, whyLost } from "./background-steps.ts";
import { jobScope } from "./contexts.ts";
import { deliverActions, forgetMovedActions } from "./deliver-actions.ts";
import type { Delivery, JobRun } from "./job-run.ts";
import { sharedFailure, sharedFate } from "./matrix-fork-shared.ts";
import { openStepLog } from "./open-step-log.ts";
import { rememberState } from "./job-pause.ts";
import { concludeWithoutRunning, notReached, reportStep } from "./report-step.ts";
import type { Resumption } from "./resumption.ts";
import { collectRest, runControl } from "./run-control.ts";
import { runPosts } from "./run-posts.ts";
import { runPres } from "./run-pre.ts";
import { runStep } from "./run-step.ts";
import type { StepEnd } from "./run-step.ts";
import { textsOf } from "./saved-job.ts";
import { stepName } from "./step-name.ts";
import type { StepPlace } from "./step-run.ts";
import { noteVitals } from "./step-trouble.ts";

const NEVER = new AbortController().signal;

export interface JobResult {
  readonly conclusion: Conclusion;
  readonly reason: string | undefined;
  readonly outputs: Readonly<Record<string, string>>;
  /** Set when the machine was lost: the run ends with it. */
  readonly lost: EngineError | undefined;
}

export interface JobLimits {
  readonly timeoutMinutes: number;
  /** Aborted by the job's own timer; `JobRun.cancel` follows it. */
  readonly timedOut: AbortSignal;
}

/** Throws nothing that happens in the job: a lost machine is in the result, and so is one that refuses to be made ready or cleaned. */
export async function runJob(given: JobRun, limits: JobLimits): Promise<JobResult> {
  const background = new BackgroundSteps();
  const job: JobRun = { ...given, kill: AbortSignal.any([given.kill, background.broken]) };
  const remaining = [...job.instance.steps];
  try {
    leaveOutOthers(job, remaining);
    const start = await setUp(job, remaining);
    if (start.kind !== "delivered" && !job.kill.aborted) return await neverStarted(job, remaining, start, limits);
    job.fork?.settle(job);
    await runPres(job, withoutPre(job, remaining));
    for (let next = remaining[0]; next !== undefined && !job.kill.aborted; next = remaining[0]) {
      await job.saver?.before(job, next);
      await job.fork?.before(job, next);
      remaining.shift();
      await runDeclared(job, next, remaining, background);
    }
    await collectRest(job, background);
    if (!job.kill.aborted) await job.fork?.before(job, undefined);
    // What the steps have left to do comes after the last of them, and that was not asked for.
    if (job.resumed?.until === undefined) await runPosts(job);
    else if (!job.kill.aborted) await job.resumed.afterLast?.(job.machine, job.kill);
    if (job.kill.aborted) return killed(job, remaining);
    return await complete(job, () => ended(job, job.state.status, limits));
  } catch (error) {
    await background.abandon(error);
    if (!(error instanceof EngineError)) throw error;
    const lost = error.code === "GUEST_REFUSED" ? undefined : error;
    const reason = whyLost(error);
    notReached(job.emit, job.instance.key, remaining, reason);
    const broken: JobResult = { conclusion: "failure", reason, outputs: {}, lost };
    return lost === undefined ? withOutputs(job, broken) : broken;
  }
}

/** `reason` where the steps do not say it. */
function ended(job: JobRun, conclusion: Conclusion, limits: JobLimits, reason?: string): JobResult {
  const timedOut =
    conclusion === "cancelled" && limits.timedOut.aborted
      ? `the job has exceeded its maximum execution time of ${limits.timeoutMinutes} minutes`
      : undefined;
  if (timedOut !== undefined) openStepLog(job, "complete", { outputs: {}, state: {} }).error(`${timedOut}.`);
  const elsewhere = conclusion === "failure" ? sharedFailure(job.resumed?.shared) : undefined;
  return withOutputs(job, { conclusion, reason: timedOut ?? reason ?? elsewhere, outputs: {}, lost: undefined });
}

/** An action could not be brought into the machine, or the job was cancelled meanwhile: no step of it starts, whatever its condition. */
async function neverStarted(
  job: JobRun,
  steps: readonly PlannedStep[],
  start: Exclude<Delivery, { kind: "delivered" }>,
  limits: JobLimits,
): Promise<JobResult> {
  const { emit, instance, state } = job;
  const isFailed = start.kind === "failed";
  if (isFailed) notReached(emit, instance.key, steps, `the job could not be set up: ${start.message}`);
  else {
    const reason = "the job was cancelled while it was set up";
    concludeWithoutRunning(emit, instance.key, steps, { kind: "cancelled", reason });
  }
  state.status = isFailed ? "failure" : "cancelled";
  return complete(job, () => ended(job, state.status, limits, isFailed ? start.message : undefined));
}

/** An output that cannot be evaluated fails the job, and then there are none: a job that needs it must not take it for empty. */
function withOutputs(job: JobRun, ended: JobResult): JobResult {
  try {
    return { ...ended, outputs: jobOutputs(job) };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const reason = `its outputs could not be evaluated: ${error.message}`;
    openStepLog(job, "complete", { outputs: {}, state: {} }).error(`Fail to evaluate job outputs: ${error.message}`);
    return { ...ended, conclusion: "failure", reason: ended.reason ?? reason };
  }
}

/** Nothing more is started in a machine that is about to go. */
function killed(job: JobRun, remaining: readonly PlannedStep[]): JobResult {
  const reason = "the run was ended at once";
  concludeWithoutRunning(job.emit, job.instance.key, remaining, { kind: "cancelled", reason });
  return { conclusion: "cancelled", reason, outputs: {}, lost: undefined };
}

/** Empty workspace and temp, nothing of an earlier job in the same machine that still runs, and the actions that the job uses. */
async function setUp(job: JobRun, steps: readonly PlannedStep[]): Promise<Delivery> {
  let delivery: Delivery = { kind: "stopped" };
  await reportStep(job, { ref: "set-up", phase: "set_up", name: "Set up job" }, async () => {
    const log = openStepLog(job, "set-up", { outputs: {}, state: {} });
    if (job.resumed === undefined) await makeReady(job, log);
    else await goOn(job, log, job.resumed);
    const ways = steps.map(({ way }) => way);
    delivery = await deliverActions(job, log, ways, AbortSignal.any([job.cancel, job.kill]));
    if (delivery.kind === "failed") log.error(delivery.message);
    return endOfSetUp(delivery);
  });
  return delivery;
}

function endOfSetUp(delivery: Delivery): StepEnd {
  switch (delivery.kind) {
    case "delivered":
      return { kind: "ran", outcome: "success", conclusion: "success", outputs: {} };
    case "failed":
      return { kind: "ran", outcome: "failure", conclusion: "failure", message: delivery.message, outputs: {} };
    case "stopped":
      return { kind: "ran", outcome: "cancelled", conclusion: "cancelled", outputs: {} };
    default:
      return unreachable(delivery);
  }
}

async function makeReady(job: JobRun, log: StepLog): Promise<void> {
  const { machine, workflow, instance, permissions } = job;
  const { layout, agent } = machine;
  log.line(`Machine: ${machine.id}`);
  log.line(`Isolation: ${machine.isolation}`);
  log.line(`Workflow: ${workflow.path}`);
  log.line(`Job: ${instance.name}`);
  logPermissions(log, permissions);
  await agent.reset({
    empty: [
      layout.workspace,
      layout.temp,
      `${layout.temp}/_github_workflow`,
      `${layout.temp}/_runner_file_commands`,
      layout.actions,
    ],
  });
  await writeEvent(job);
  await noteVitals(job);
}

async function writeEvent({ machine, plan }: JobRun): Promise<void> {
  await machine.agent.writeFile({
    path: `${machine.layout.temp}/_github_workflow/event.json`,
    content: JSON.stringify(plan.event.payload),
    mode: 0o644,
    user: "runner",
  });
}

/** The machine is as it was before the step that comes next. */
async function goOn(job: JobRun, log: StepLog, { run, saved, shared, prepare }: Resumption): Promise<void> {
  const { machine, permissions } = job;
  log.line(`Machine: ${machine.id}`);
  log.line(`Isolation: ${machine.isolation}`);
  const moment = `before step ${saved.step} of job ${saved.job}`;
  log.line(shared === undefined ? `Goes on from run ${run}, ${moment}` : `Goes on in a copy of the machine ${moment}`);
  logPermissions(log, permissions);
  await forgetMovedActions(job);
  await writeEvent(job);
  await prepare?.(job.machine);
  await noteVitals(job);
}

/** Of a job that goes on from a checkpoint: steps that ran before it, and those that are not to run. */
function leaveOutOthers({ resumed, emit, instance }: JobRun, steps: PlannedStep[]): void {
  if (resumed === undefined) return;
  const { run, saved, shared, until = Infinity } = resumed;
  const leaveOut = (others: readonly PlannedStep[], reason: string): void =>
    concludeWithoutRunning(emit, instance.key, others, { kind: "skipped", reason });
  const before = steps.filter(({ step }) => step.number < saved.step);
  const beyond = steps.filter(({ step }) => step.number > until);
  if (shared === undefined) leaveOut(before, `its turn was in run ${run}, which this one goes on from`);
  else
    for (const step of before) concludeWithoutRunning(emit, instance.key, [step], sharedFate(shared, step.step.number));
  leaveOut(beyond, "it was not asked for");
  steps.splice(0, before.length);
  steps.splice(steps.length - beyond.length);
}

/** A step that is as it was had its `pre` then. */
function withoutPre({ workflow, instance, resumed }: JobRun, steps: readonly PlannedStep[]): readonly PlannedStep[] {
  if (resumed === undefined) return steps;
  const { steps: texts } = textsOf(workflow, instance);
  const isNew = (index: number): boolean => texts[index] !== resumed.saved.texts.steps[index];
  return steps.filter(({ step }) => isNew(step.number - 1));
}

function logPermissions(log: StepLog, permissions: Permissions): void {
  log.group("GITHUB_TOKEN Permissions");
  for (const [scope, level] of Object.entries(permissions)) if (level !== "none") log.line(`${scope}: ${level}`);
  log.groupEnd();
}

/** `remaining` are the steps behind it, the first of which are those of a `parallel`. */
async function runDeclared(
  job: JobRun,
  planned: PlannedStep,
  remaining: PlannedStep[],
  background: BackgroundSteps,
): Promise<void> {
  const { step } = planned;
  if (step.kind !== "control") {
    if (step.background) background.start(job, planned, runBeside);
    else await runBeside(job, planned, NEVER);
    return;
  }
  const inner = remaining.splice(0, step.steps.length);
  await reportStep(job, reportOf(job, step), () =>
    runControl(job, step, inner, background, runBeside, placeOf(job, step, NEVER)),
  );
}

function runBeside(job: JobRun, planned: PlannedStep, stop: AbortSignal): Promise<StepEnd> {
  const { step } = planned;
  return reportStep(job, reportOf(job, step), () =>
    stop === NEVER ? runUntilDecided(job, planned) : runStep(job, planned, placeOf(job, step, stop)),
  );
}

/** A step that fails is tried again as often as somebody at a paused job asks for it. */
async function runUntilDecided(job: JobRun, planned: PlannedStep): Promise<StepEnd> {
  const { pause, instance, emit } = job;
  const { step } = planned;
  for (;;) {
    const putBack = pause === undefined ? undefined : rememberState(job.state);
    const end = await runStep(job, planned, placeOf(job, step, NEVER));
    const hasFailed = end.kind === "ran" && end.conclusion === "failure";
    if (pause === undefined || !hasFailed || job.cancel.aborted || job.kill.aborted) return end;
    const ref = { job: instance.key, step: String(step.number) };
    emit({ type: "paused", ...ref });
    const decision = await pause.wait(step.number, [job.cancel, job.kill]);
    emit({ type: "went_on", ...ref, decision });
    if (decision !== "retry") return end;
    putBack?.();
  }
}

function reportOf(job: JobRun, step: Step): Parameters<typeof reportStep>[1] {
  return { ref: String(step.number), phase: "main", name: stepName(job, step) };
}

function placeOf({ state }: JobRun, step: Step, stop: AbortSignal): StepPlace {
  return { ref: String(step.number), phase: "main", scope: state.scope, timeout: NEVER, stop, posts: state.posts };
}

/** What the processes of the job left running ends with it, here and not in the next job. */
async function complete(job: JobRun, conclude: () => JobResult): Promise<JobResult> {
  const { layout, agent } = job.machine;
  let result: JobResult | undefined;
  await reportStep(job, { ref: "complete", phase: "complete", name: "Complete job" }, async () => {
    // What is wrong with the outputs is said here.
    result = conclude();
    await agent.reset({ empty: [layout.temp], killTrackingId: job.trackingId });
    return { kind: "ran", outcome: "success", conclusion: "success", outputs: {} };
  });
  return result ?? conclude();
}

/** Computed also when the job failed; an empty one is left out, and one that holds a secret too (ACTIONS-CONTRACT §2.5, §3.4). */
function jobOutputs(job: JobRun): Record<string, string> {
  const outputs: Record<string, string> = Object.create(null);
  for (const { key, value } of job.instance.job.outputs?.entries ?? []) {
    const name = key.kind === "literal" ? String(key.value) : key.source;
    const text = toText(evaluate(value, jobScope(job)));
    if (text === "") continue;
    if (job.masker.hides(text)) warn(job, `Skip output '${name}' since it may contain secret.`);
    else outputs[name] = text;
  }
  return outputs;
}

function warn(job: JobRun, message: string): void {
  const log = openStepLog(job, "complete", { outputs: {}, state: {} });
  log.warning(message);
}
