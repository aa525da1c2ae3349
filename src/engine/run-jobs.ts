/**
 * The jobs of a workflow in the order that their needs allow: conditions, matrices, fail-fast, max-parallel, concurrency
 * groups, and below a job that calls a workflow the jobs of that one. Each job of the plan ends in exactly one record.
 */
import { evaluate, isTruthy } from "../expression/evaluate.ts";
import { orRefused } from "../expression/or-refused.ts";
import { Semaphore } from "../lib/semaphore.ts";
import type { PlannedJob } from "../plan/plan.ts";
import type { Job } from "../workflow/workflow.ts";
import { jobContexts, needsScope } from "./contexts.ts";
import { announce, endAsEarlier, endWithoutRunning, leaveOut } from "./end-without-running.ts";
import { enterGroup } from "./enter-group.ts";
import type { InstanceEnd, JobRecord, JobsEnd } from "./job-end.ts";
import { jobInstances, unexpanded } from "./job-instances.ts";
import type { JobInstance } from "./job-run.ts";
import { forkMatrix } from "./matrix-fork.ts";
import type { ForkCell } from "./matrix-fork.ts";
import type { Copy } from "./matrix-fork-copy.ts";
import { runCall } from "./run-call.ts";
import type { CallInstance } from "./run-call.ts";
import { cancelReason, cancelRequested, keyBelow } from "./workflow-run.ts";
import type { WorkflowRun } from "./workflow-run.ts";

/**
 * Runs one instance in a machine. The reason of `cancel` is a text where another job, and not a person, aborted it. Undefined: it was to go
 * on in a copy, no machine could be made of that, and nothing of it has started.
 */
export type StartInstance = (
  workflow: WorkflowRun,
  instance: JobInstance,
  done: ReadonlyMap<string, JobRecord>,
  cancel: AbortSignal,
  fork: ForkStart | undefined,
) => Promise<InstanceEnd | undefined>;

/** For a cell that shares steps with others; `copy`: it goes on from there. */
export interface ForkStart {
  readonly cell: ForkCell;
  readonly copy: Copy | undefined;
}

export async function runJobs(workflow: WorkflowRun, start: StartInstance): Promise<JobsEnd> {
  const { planned, run } = workflow;
  const running = new Map<string, Promise<void>>();
  const done = new Map<string, JobRecord>();
  const ends: InstanceEnd[] = [];
  for (const next of planned.jobs) {
    const { id, needs } = next.job;
    const ended = Promise.all(needs.flatMap((need) => running.get(need) ?? []))
      .then(() => runPlanned(workflow, next, done, start))
      .then((legs) => {
        done.set(id, { id, legs });
        ends.push(...legs);
      });
    // A fault of ours: nothing more starts, and what runs is ended at once.
    ended.catch(() => run.abandon());
    running.set(id, ended);
  }
  await allOrFirstFault(running.values());
  return { ends, records: [...done.values()] };
}

/** Waits for all of them, also when one fails: nothing may go on behind a run that has ended. */
async function allOrFirstFault<T>(work: Iterable<Promise<T>>): Promise<readonly T[]> {
  const settled = await Promise.allSettled(work);
  return settled.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

/** Its needs have ended. In the order in which its cells end. */
async function runPlanned(
  workflow: WorkflowRun,
  planned: PlannedJob,
  done: ReadonlyMap<string, JobRecord>,
  start: StartInstance,
): Promise<readonly InstanceEnd[]> {
  const opened = openJob(workflow, planned, done);
  if (opened.kind === "ended") return [opened.end];
  const [first] = opened.instances;
  const places = new Semaphore(first?.maxParallel ?? 1);
  const siblings = new AbortController();
  const legs: InstanceEnd[] = [];
  await using forks = forkMatrix(workflow, opened.instances);
  await allOrFirstFault(
    opened.instances.map(async (instance) => {
      using fork = forks.enter(instance.key);
      // A cell that waits for another one keeps no place from those that could start.
      await fork?.origin();
      using place = await places.acquire();
      const end = await runInstance(workflow, instance, { done, siblings: siblings.signal, start, fork });
      const fails = end.conclusion === "failure" && !end.tolerated && instance.failFast;
      if (fails) siblings.abort("another job of its matrix failed");
      legs.push(end);
    }),
  );
  return legs;
}

type Opened =
  | { readonly kind: "ended"; readonly end: InstanceEnd }
  | { readonly kind: "instances"; readonly instances: readonly JobInstance<Job>[] };

/** Does it run, and as which cells? */
function openJob(workflow: WorkflowRun, planned: PlannedJob, done: ReadonlyMap<string, JobRecord>): Opened {
  const { job } = planned;
  const scope = needsScope(workflow, job, done);
  const endAs = (conclusion: "skipped" | "failure" | "cancelled", reason: string): Opened => {
    const instance = unexpanded(workflow, planned);
    announce(workflow, instance);
    return { kind: "ended", end: endWithoutRunning(workflow.run, instance, conclusion, reason) };
  };
  const asked = orRefused(() => ranEarlier(workflow, job) || isTruthy(evaluate(job.condition, scope)));
  if (asked.kind === "refused") return endAs("failure", asked.message);
  if (!asked.value) {
    return cancelRequested(workflow)
      ? endAs("cancelled", cancelReason(workflow.cancel))
      : endAs("skipped", skipReason(job, done));
  }
  const expanded = orRefused(() => jobInstances(workflow, planned, scope));
  if (expanded.kind === "refused") return endAs("failure", expanded.message);
  const instances = expanded.value;
  if (instances.length === 0) return endAs("skipped", "its matrix is empty");
  for (const instance of instances) announce(workflow, instance);
  return { kind: "instances", instances };
}

interface InstanceSurroundings {
  readonly done: ReadonlyMap<string, JobRecord>;
  readonly siblings: AbortSignal;
  readonly start: StartInstance;
  readonly fork: ForkCell | undefined;
}

/** From its place in the matrix to its end: the turn in its concurrency group, then a machine or the workflow it calls. */
async function runInstance(
  workflow: WorkflowRun,
  instance: JobInstance<Job>,
  { done, siblings, start, fork }: InstanceSurroundings,
): Promise<InstanceEnd> {
  const { run } = workflow;
  const early = endOfEarlierAttempt(workflow, instance) ?? endBeforeStart(workflow, instance, done, siblings);
  if (early !== undefined) return early;
  const cancelled = cancelUnlessInsisting(workflow, instance, done);
  if (instance.unsupported !== undefined) return leaveOut(run, instance, instance.unsupported);

  const turn = await enterGroup(workflow, {
    template: instance.job.concurrency,
    scope: { contexts: jobContexts(workflow, instance, done), functions: {} },
    job: instance.key,
    cancel: AbortSignal.any([cancelled, siblings]),
  });
  if (turn.kind === "refused") return endWithoutRunning(run, instance, "failure", turn.message);
  if (turn.kind === "cancelled") return endWithoutRunning(run, instance, "cancelled", turn.reason);
  using hold = turn.hold;
  const { cancel, heldGroups } = turn;

  if (isCall(instance)) {
    const caller = { ...workflow, heldGroups };
    const objection = endBeforeStart(workflow, instance, done, cancel);
    return objection ?? runCall(caller, instance, done, cancel, (called) => runJobs(called, start));
  }
  if (!isStepsInstance(instance)) throw new Error(`Job ${instance.key} is neither steps nor a call`);
  const startIn = async (places: Semaphore, copy?: Copy): Promise<InstanceEnd | undefined> => {
    using slot = await places.acquire();
    const objection = endBeforeStart(workflow, instance, done, cancel);
    if (objection !== undefined) return objection;
    const end = await start(workflow, instance, done, cancel, fork && { cell: fork, copy });
    run.trouble.error ??= end?.lost;
    return end;
  };
  const copy = await fork?.origin();
  const end = (copy && (await startIn(run.copies, copy))) ?? (await startIn(run.slots));
  if (end === undefined) throw new Error(`Job ${instance.key} did not start`);
  return end;
}

/** What keeps an instance whose turn has come from starting: a cancelled run, a failed sibling, a machine that was lost. */
function endBeforeStart(
  workflow: WorkflowRun,
  instance: JobInstance<Job>,
  done: ReadonlyMap<string, JobRecord>,
  others: AbortSignal,
): InstanceEnd | undefined {
  const { run } = workflow;
  const { error } = run.trouble;
  if (error !== undefined && run.oneMachine)
    return endWithoutRunning(run, instance, "cancelled", error.message, "not_reached");
  if (others.aborted && typeof others.reason === "string")
    return endWithoutRunning(run, instance, "cancelled", others.reason);
  if (run.killed()) return endWithoutRunning(run, instance, "cancelled", "the run was ended at once");
  if (!cancelRequested(workflow) || insists(workflow, instance, done)) return undefined;
  return endWithoutRunning(run, instance, "cancelled", cancelReason(workflow.cancel));
}

/** Asked again when the run is cancelled: what was true before may not be now. One that cannot be evaluated is cancelled. */
function insists(workflow: WorkflowRun, { job }: JobInstance<Job>, done: ReadonlyMap<string, JobRecord>): boolean {
  const asked = orRefused(() => isTruthy(evaluate(job.condition, needsScope(workflow, job, done))));
  return asked.kind === "value" && asked.value;
}

/**
 * A job whose condition holds in a cancelled run goes on, or starts, as if nothing were
 * (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-cancellation).
 */
function cancelUnlessInsisting(
  workflow: WorkflowRun,
  instance: JobInstance<Job>,
  done: ReadonlyMap<string, JobRecord>,
): AbortSignal {
  const { cancel } = workflow;
  const own = new AbortController();
  const ask = (): void => {
    if (!insists(workflow, instance, done)) own.abort(cancel.reason);
  };
  if (cancel.aborted) ask();
  else cancel.addEventListener("abort", ask, { once: true });
  return own.signal;
}

/**
 * A job that ended well in an earlier attempt is not run again, and neither is one that had ended before the moment that the run goes
 * on from, however it did. Those that need it see what it came to then.
 */
function endOfEarlierAttempt({ run }: WorkflowRun, instance: JobInstance<Job>): InstanceEnd | undefined {
  const { earlier, resumption } = run.settings;
  const succeeded = earlier?.succeeded.get(instance.key);
  if (earlier !== undefined && succeeded !== undefined) {
    const reason = `it succeeded in run ${earlier.run}`;
    return endAsEarlier(run, instance, reason, { ...succeeded, conclusion: "success", tolerated: false });
  }
  if (resumption === undefined) return undefined;
  const { saved, until } = resumption;
  const ended = saved.ended.get(instance.key);
  if (ended !== undefined) {
    return endAsEarlier(run, instance, `it ended with ${ended.conclusion} in run ${resumption.run}`, ended);
  }
  const isOnTheWay = saved.job === instance.key || saved.job.startsWith(`${instance.key} / `);
  return until === undefined || isOnTheWay
    ? undefined
    : endWithoutRunning(run, instance, "skipped", "it was not asked for");
}

/** What ran then has had a condition that was true. Its cells are known by their keys only when its matrix is expanded. */
function ranEarlier(workflow: WorkflowRun, job: Job): boolean {
  const key = keyBelow(workflow, job.id);
  const { earlier, resumption } = workflow.run.settings;
  const resumed = resumption === undefined ? [] : [resumption.saved.job, ...resumption.saved.ended.keys()];
  const keys = [...(earlier?.succeeded.keys() ?? []), ...resumed];
  return keys.some((other) => other === key || other.startsWith(`${key} (`) || other.startsWith(`${key} / `));
}

function isCall(instance: JobInstance<Job>): instance is CallInstance {
  return instance.job.kind === "call";
}

function isStepsInstance(instance: JobInstance<Job>): instance is JobInstance {
  return instance.job.kind === "steps";
}

function skipReason(job: Job, done: ReadonlyMap<string, JobRecord>): string {
  const source = job.condition.source || job.condition.expression;
  const unmet = job.needs.filter((need) => done.get(need)?.legs.some(({ conclusion }) => conclusion !== "success"));
  return source === "success()" && unmet.length > 0
    ? `it needs ${unmet.join(", ")}, which did not succeed`
    : `its condition was false: ${source}`;
}
