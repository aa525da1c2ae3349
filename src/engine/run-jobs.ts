/**
 * The jobs of a run in the order that their needs allow: conditions, matrices, fail-fast, max-parallel, and at most `slots`
 * at the same time (one where the workflow has one machine). Each job of the plan ends in exactly one record.
 */
import { EngineError } from "../lib/engine-error.ts";
import { ExpressionError, evaluate, isTruthy } from "../expression/evaluate.ts";
import type { PlannedJob } from "../plan/plan.ts";
import type { StepsJob } from "../workflow/workflow.ts";
import type { JobEnd } from "./conclude.ts";
import { needsScope } from "./contexts.ts";
import type { JobRecord } from "./contexts.ts";
import { jobInstances } from "./job-instances.ts";
import type { JobInstance } from "./job-run.ts";
import { concludeWithoutRunning } from "./run-job.ts";
import type { JobResult } from "./run-job.ts";
import { plainStepName } from "./step-name.ts";
import type { RunContext } from "./run-context.ts";

export interface JobsEnd {
  readonly ends: readonly JobEnd[];
  /** The first trouble with a machine. */
  readonly error: EngineError | undefined;
}

/** `start` runs one instance in a machine; `cancel` of an instance is aborted by a failed sibling. */
export type StartInstance = (
  instance: JobInstance,
  needs: ReadonlyMap<string, JobRecord>,
  failFast: AbortSignal,
) => Promise<InstanceEnd>;

export interface InstanceEnd extends JobResult {
  /** The job's own `continue-on-error`. */
  readonly tolerated: boolean;
}

interface ReadyInstance {
  readonly instance: JobInstance;
  readonly siblings: AbortController;
}

export async function runJobs(run: RunContext, slots: number, start: StartInstance): Promise<JobsEnd> {
  const waiting = [...run.plan.jobs];
  const ready: ReadyInstance[] = [];
  const running = new Map<JobInstance, Promise<void>>();
  const open = new Map<string, { legs: number; ends: InstanceEnd[] }>();
  const done = new Map<string, JobRecord>();
  const ends: JobEnd[] = [];
  let error: EngineError | undefined;
  let fault: { readonly cause: unknown } | undefined;

  const finish = (job: StepsJob, legs: readonly InstanceEnd[]): void => {
    done.set(job.id, { id: job.id, legs });
    ends.push(...legs);
  };
  const legEnded = (job: StepsJob, end: InstanceEnd): void => {
    const entry = open.get(job.id);
    if (entry === undefined) throw new Error(`Job ${job.id} ended and was never opened`);
    entry.ends.push(end);
    if (entry.ends.length === entry.legs) finish(job, entry.ends);
  };

  for (;;) {
    for (let index = 0; index < waiting.length; index += 1) {
      const planned = waiting[index];
      if (planned === undefined || !planned.job.needs.every((need) => done.has(need))) continue;
      waiting.splice(index, 1);
      index = -1;
      const opened = openJob(run, planned, done);
      if (opened.kind === "ended") {
        finish(opened.job, [opened.end]);
      } else {
        open.set(opened.job.id, { legs: opened.instances.length, ends: [] });
        const siblings = new AbortController();
        ready.push(...opened.instances.map((instance) => ({ instance, siblings })));
      }
    }

    for (let next = takeReady(ready, running, slots); next !== undefined; next = takeReady(ready, running, slots)) {
      const { instance, siblings } = next;
      const { job } = instance;
      const early = endBeforeStart(run, instance, done, siblings.signal, error);
      if (early !== undefined) {
        legEnded(job, early);
        continue;
      }
      const ended = start(instance, done, siblings.signal)
        .then((end) => {
          error ??= end.lost;
          if (end.conclusion === "failure" && !end.tolerated && instance.failFast) siblings.abort();
          legEnded(job, end);
        })
        .catch((cause: unknown) => void (fault ??= { cause }))
        .finally(() => void running.delete(instance));
      running.set(instance, ended);
    }

    if (fault !== undefined) {
      // A fault of ours: nothing more starts, and nothing is left behind.
      run.abandon();
      await Promise.all(running.values());
      throw fault.cause;
    }
    if (running.size > 0) await Promise.race(running.values());
    else if (ready.length === 0 && !waiting.some(({ job }) => job.needs.every((need) => done.has(need)))) break;
  }
  if (waiting.length > 0) throw new Error(`Jobs were never opened: ${waiting.map(({ job }) => job.id).join(", ")}`);
  return { ends, error };
}

type Opened =
  | { readonly kind: "ended"; readonly job: StepsJob; readonly end: InstanceEnd }
  | { readonly kind: "instances"; readonly job: StepsJob; readonly instances: readonly JobInstance[] };

/** Its needs have ended: does it run, and as which cells? */
function openJob(run: RunContext, planned: PlannedJob, done: ReadonlyMap<string, JobRecord>): Opened {
  const { job } = planned;
  if (job.kind !== "steps") throw new Error(`Job ${job.id} calls a workflow: the plan should have refused it`);
  const scope = needsScope(run, job, done);
  const endAs = (conclusion: "skipped" | "failure" | "cancelled", reason: string): Opened => {
    const instance = unexpanded(planned, job);
    announce(run, instance);
    return { kind: "ended", job, end: endWithoutRunning(run, instance, conclusion, reason) };
  };
  try {
    if (!isTruthy(evaluate(job.condition, scope))) {
      return run.cancelRequested()
        ? endAs("cancelled", "the run was cancelled")
        : endAs("skipped", skipReason(job, done));
    }
  } catch (error) {
    if (error instanceof ExpressionError) return endAs("failure", error.message);
    throw error;
  }
  const expansion = jobInstances(planned, job, scope);
  if (expansion.kind === "refused") return endAs("failure", expansion.message);
  if (expansion.instances.length === 0) return endAs("skipped", "its matrix is empty");
  for (const instance of expansion.instances) announce(run, instance);
  return { kind: "instances", job, instances: expansion.instances };
}

/** What keeps an instance whose turn has come from starting: a cancelled run, a failed sibling, a machine that was lost. */
function endBeforeStart(
  run: RunContext,
  instance: JobInstance,
  done: ReadonlyMap<string, JobRecord>,
  siblings: AbortSignal,
  error: EngineError | undefined,
): InstanceEnd | undefined {
  if (error !== undefined && run.oneMachine)
    return endWithoutRunning(run, instance, "cancelled", error.message, "not_reached");
  if (siblings.aborted) return endWithoutRunning(run, instance, "cancelled", "another job of its matrix failed");
  if (run.killed()) return endWithoutRunning(run, instance, "cancelled", "the run was ended at once");
  if (!run.cancelRequested()) return undefined;
  // Asked again: what was true before the cancel may not be now.
  try {
    const insists = isTruthy(evaluate(instance.job.condition, needsScope(run, instance.job, done)));
    return insists ? undefined : endWithoutRunning(run, instance, "cancelled", "the run was cancelled");
  } catch (problem) {
    if (problem instanceof ExpressionError) return endWithoutRunning(run, instance, "failure", problem.message);
    throw problem;
  }
}

function takeReady(
  ready: ReadyInstance[],
  running: ReadonlyMap<JobInstance, unknown>,
  slots: number,
): ReadyInstance | undefined {
  if (running.size >= slots) return undefined;
  const legsOf = (job: StepsJob): number => [...running.keys()].filter((instance) => instance.job === job).length;
  const index = ready.findIndex(({ instance }) => legsOf(instance.job) < instance.maxParallel);
  return index < 0 ? undefined : ready.splice(index, 1)[0];
}

function announce(run: RunContext, { key, job, name, steps }: JobInstance): void {
  run.emit({
    type: "job_planned",
    job: key,
    id: job.id,
    name: run.masker.mask(name),
    steps: steps.map(({ step, way }) => ({
      number: step.number,
      name: run.masker.mask(plainStepName(step)),
      way: way.kind,
    })),
  });
}

/** A job that was skipped before its matrix was expanded is one job, as GitHub shows it. */
function unexpanded(planned: PlannedJob, job: StepsJob): JobInstance {
  const { steps } = planned;
  return { key: job.id, job, name: job.id, steps, matrix: {}, index: 0, total: 1, failFast: true, maxParallel: 1 };
}

function endWithoutRunning(
  run: RunContext,
  instance: JobInstance,
  conclusion: "skipped" | "failure" | "cancelled",
  reason: string,
  fate: "skipped" | "cancelled" | "not_reached" = conclusion === "failure" ? "not_reached" : conclusion,
): InstanceEnd {
  concludeWithoutRunning(run.emit, instance.key, instance.steps, { kind: fate, reason });
  run.emit({ type: "job_completed", job: instance.key, conclusion, reason, outputs: {}, durationMs: 0 });
  return { conclusion, reason, outputs: {}, lost: undefined, tolerated: false };
}

function skipReason(job: StepsJob, done: ReadonlyMap<string, JobRecord>): string {
  const source = job.condition.source || job.condition.expression;
  const unmet = job.needs.filter((need) => done.get(need)?.legs.some(({ conclusion }) => conclusion !== "success"));
  return source === "success()" && unmet.length > 0
    ? `it needs ${unmet.join(", ")}, which did not succeed`
    : `its condition was false: ${source}`;
}
