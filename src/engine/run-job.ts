/**
 * One job in one machine: set up, steps, posts, outputs, conclusion (ACTIONS-CONTRACT §3.4). Every declared step of the job
 * gets exactly one fate, also when the machine is lost between two of them or while others run in the background.
 */
import { EngineError } from "../lib/engine-error.ts";
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import type { Conclusion } from "../store/run-event.ts";
import type { PlannedStep } from "../plan/plan.ts";
import type { StepLog } from "../joblog/step-log.ts";
import type { Permissions } from "../workflow/permissions.ts";
import type { Step } from "../workflow/workflow.ts";
import { BackgroundSteps, whyLost } from "./background-steps.ts";
import { jobScope } from "./contexts.ts";
import type { JobRun } from "./job-run.ts";
import { openStepLog } from "./open-step-log.ts";
import { concludeWithoutRunning, notReached, reportStep } from "./report-step.ts";
import { collectRest, runControl } from "./run-control.ts";
import { runPost } from "./run-posts.ts";
import { runStep } from "./run-step.ts";
import type { StepEnd } from "./run-step.ts";
import { stepName } from "./step-name.ts";
import type { StepPlace } from "./step-run.ts";

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
    await setUp(job);
    for (let next = remaining[0]; next !== undefined && !job.kill.aborted; next = remaining[0]) {
      remaining.shift();
      await runDeclared(job, next, remaining, background);
    }
    await collectRest(job, background);
    await runPosts(job);
    if (job.kill.aborted) return killed(job, remaining);
    await complete(job);
  } catch (error) {
    await background.abandon(error);
    if (!(error instanceof EngineError)) throw error;
    const lost = error.code === "GUEST_REFUSED" ? undefined : error;
    const reason = whyLost(error);
    notReached(job.emit, job.instance.key, remaining, reason);
    const ended: JobResult = { conclusion: "failure", reason, outputs: {}, lost };
    return lost === undefined ? withOutputs(job, ended) : ended;
  }

  const { status } = job.state;
  const reason =
    status === "cancelled" && limits.timedOut.aborted
      ? `the job has exceeded its maximum execution time of ${limits.timeoutMinutes} minutes`
      : undefined;
  if (reason !== undefined) openStepLog(job, "complete", { outputs: {}, state: {} }).error(`${reason}.`);
  return withOutputs(job, { conclusion: status, reason, outputs: {}, lost: undefined });
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

async function runPosts(job: JobRun): Promise<void> {
  const { posts } = job.state;
  for (const [index, post] of posts.toReversed().entries()) {
    if (job.kill.aborted) return;
    const ref = `post-${posts.length - index}`;
    await reportStep(job, { ref, phase: "post", name: `Post ${post.name}` }, () => runPost(job, post, ref, NEVER));
  }
}

/** Nothing more is started in a machine that is about to go. */
function killed(job: JobRun, remaining: readonly PlannedStep[]): JobResult {
  const reason = "the run was ended at once";
  concludeWithoutRunning(job.emit, job.instance.key, remaining, { kind: "cancelled", reason });
  return { conclusion: "cancelled", reason, outputs: {}, lost: undefined };
}

/** Empty workspace and temp, and nothing of an earlier job in the same machine that still runs. */
async function setUp(job: JobRun): Promise<void> {
  const { machine, plan, instance } = job;
  const { layout, agent } = machine;
  await reportStep(job, { ref: "set-up", phase: "set_up", name: "Set up job" }, async () => {
    const log = openStepLog(job, "set-up", { outputs: {}, state: {} });
    log.line(`Machine: ${machine.id}`);
    log.line(`Isolation: ${machine.isolation}`);
    log.line(`Workflow: ${job.workflow.path}`);
    log.line(`Job: ${instance.name}`);
    logPermissions(log, job.permissions);
    await agent.reset({
      empty: [layout.workspace, layout.temp, `${layout.temp}/_github_workflow`, `${layout.temp}/_runner_file_commands`],
    });
    await agent.writeFile({
      path: `${layout.temp}/_github_workflow/event.json`,
      content: JSON.stringify(plan.event.payload),
      mode: 0o644,
      user: "runner",
    });
    return { kind: "ran", outcome: "success", conclusion: "success", outputs: {} };
  });
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
  return reportStep(job, reportOf(job, step), () => runStep(job, planned, placeOf(job, step, stop)));
}

function reportOf(job: JobRun, step: Step): Parameters<typeof reportStep>[1] {
  return { ref: String(step.number), phase: "main", name: stepName(job, step) };
}

function placeOf({ state }: JobRun, step: Step, stop: AbortSignal): StepPlace {
  return { ref: String(step.number), phase: "main", scope: state.scope, timeout: NEVER, stop, posts: state.posts };
}

/** What the processes of the job left running ends with it, here and not in the next job. */
async function complete(job: JobRun): Promise<void> {
  const { layout, agent } = job.machine;
  await reportStep(job, { ref: "complete", phase: "complete", name: "Complete job" }, async () => {
    await agent.reset({ empty: [layout.temp], killTrackingId: job.trackingId });
    return { kind: "ran", outcome: "success", conclusion: "success", outputs: {} };
  });
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
