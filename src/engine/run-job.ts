/**
 * One job in one machine: set up, steps, posts, outputs, conclusion (ACTIONS-CONTRACT §3.4). Every declared step of the job
 * gets exactly one fate, also when the machine is lost between two of them.
 */
import { EngineError } from "../lib/engine-error.ts";
import { ExpressionError, evaluate, toText } from "../expression/evaluate.ts";
import type { Conclusion, Fate, JobKey, StepPhase } from "../store/run-event.ts";
import type { PlannedStep } from "../plan/plan.ts";
import { jobScope } from "./contexts.ts";
import type { JobRun } from "./job-run.ts";
import { openStepLog } from "./open-step-log.ts";
import { runPost } from "./run-posts.ts";
import { runStep } from "./run-step.ts";
import type { StepEnd } from "./run-step.ts";
import { plainStepName, stepName } from "./step-name.ts";

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
export async function runJob(job: JobRun, limits: JobLimits): Promise<JobResult> {
  const remaining = [...job.instance.steps];
  try {
    await setUp(job);
    for (let next = remaining[0]; next !== undefined && !job.kill.aborted; next = remaining[0]) {
      remaining.shift();
      await runDeclared(job, next);
    }
    await runPosts(job);
    if (job.kill.aborted) return killed(job, remaining);
    await complete(job);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const lost = error.code === "GUEST_REFUSED" ? undefined : error;
    const reason = lost === undefined ? error.message : `the machine was lost: ${error.message}`;
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
    await reported(job, ref, "post", `Post ${post.name}`, () => runPost(job, post, ref, NEVER));
  }
}

/** Nothing more is started in a machine that is about to go. */
function killed(job: JobRun, remaining: readonly PlannedStep[]): JobResult {
  const reason = "the run was ended at once";
  concludeWithoutRunning(job.emit, job.instance.key, remaining, { kind: "cancelled", reason });
  return { conclusion: "cancelled", reason, outputs: {}, lost: undefined };
}

/** Gives steps whose turn never came their fate. */
export function notReached(emit: JobRun["emit"], job: JobKey, steps: readonly PlannedStep[], reason: string): void {
  concludeWithoutRunning(emit, job, steps, { kind: "not_reached", reason });
}

/** One fate for steps that nothing of ran: their job was skipped, cancelled before it started, or lost its machine. */
export function concludeWithoutRunning(
  emit: JobRun["emit"],
  job: JobKey,
  steps: readonly PlannedStep[],
  fate: Exclude<Fate, { kind: "ran" }>,
): void {
  for (const { step } of steps) {
    emit({
      type: "step_completed",
      job,
      step: String(step.number),
      phase: "main",
      name: plainStepName(step),
      fate,
      durationMs: 0,
    });
  }
}

/** Empty workspace and temp, and nothing of an earlier job in the same machine that still runs. */
async function setUp(job: JobRun): Promise<void> {
  const { machine, plan, instance } = job;
  const { layout, agent } = machine;
  await reported(job, "set-up", "set_up", "Set up job", async () => {
    const log = openStepLog(job, "set-up", { outputs: {}, state: {} });
    log.line(`Machine: ${machine.id}`);
    log.line(`Isolation: ${machine.isolation}`);
    log.line(`Workflow: ${plan.workflow.path}`);
    log.line(`Job: ${instance.name}`);
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

async function runDeclared(job: JobRun, planned: PlannedStep): Promise<void> {
  const { step } = planned;
  const ref = String(step.number);
  await reported(job, ref, "main", stepName(job, step), async () => {
    if (step.kind === "control") {
      // The plan refuses these; a step that came through all the same must not pass for one that ran.
      job.state.status = "failure";
      return {
        kind: "ran",
        outcome: "failure",
        conclusion: "failure",
        message: `unsupported: ${step.control}`,
        outputs: {},
      };
    }
    return runStep(job, step, { ref, phase: "main", scope: job.state.scope, timeout: NEVER, posts: job.state.posts });
  });
}

/** What the processes of the job left running ends with it, here and not in the next job. */
async function complete(job: JobRun): Promise<void> {
  const { layout, agent } = job.machine;
  await reported(job, "complete", "complete", "Complete job", async () => {
    await agent.reset({ empty: [layout.temp], killTrackingId: job.trackingId });
    return { kind: "ran", outcome: "success", conclusion: "success", outputs: {} };
  });
}

/** Says that a step starts and what became of it: the only place where a fate enters the record. */
async function reported(
  job: JobRun,
  ref: string,
  phase: StepPhase,
  name: string,
  work: () => Promise<StepEnd>,
): Promise<void> {
  const { emit, now } = job;
  const key = job.instance.key;
  const startedAt = now();
  const completed = (fate: Fate): void =>
    emit({ type: "step_completed", job: key, step: ref, phase, name, fate, durationMs: Math.round(now() - startedAt) });
  emit({ type: "step_started", job: key, step: ref, phase, name });
  try {
    completed(fateOf(await work(), job));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    completed({ kind: "ran", outcome: "failure", conclusion: "failure", exitCode: undefined, message });
    throw error;
  }
}

function fateOf(end: StepEnd, job: JobRun): Fate {
  if (end.kind === "skipped") {
    return job.state.status === "cancelled" && job.cancel.aborted
      ? { kind: "cancelled", reason: "the job was cancelled before this step" }
      : { kind: "skipped", reason: end.reason };
  }
  const { outcome, conclusion, exitCode, message } = end;
  return { kind: "ran", outcome, conclusion, exitCode, message };
}

/** Computed also when the job failed; an empty one is left out, and one that holds a secret too (ACTIONS-CONTRACT §2.5, §3.4). */
function jobOutputs(job: JobRun): Record<string, string> {
  const outputs: Record<string, string> = {};
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
