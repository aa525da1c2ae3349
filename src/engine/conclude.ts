/**
 * How a run ended, computed on the host from what the event stream says: the fates of the declared steps must add up, and a
 * run in which nothing ran is never a success (DESIGN §1.1). This is the one place where a run becomes `success`.
 *
 * The ledger listens to the events that readers see, and is compared with the plan: neither the engine's own state nor a
 * guest's word can make the numbers agree.
 */
import type { PlannedStep, PlannedWorkflow } from "../plan/plan.ts";
import type { Conclusion, Fate, FateCounts, JobKey, RunEventBody } from "../store/run-event.ts";
import { unreachable } from "../lib/unreachable.ts";

export interface FateLedger {
  /** Every event of the run passes through here. */
  note(event: RunEventBody): void;
  readonly jobs: ReadonlyMap<JobKey, JobFates>;
  /** Events that no honest run has, in words. */
  readonly faults: readonly string[];
}

interface JobFates {
  readonly id: string;
  /** Key of the job that called the workflow this one is of. */
  readonly caller: JobKey | undefined;
  readonly declared: number;
  /** Those that only start, await and end others. */
  readonly controls: ReadonlySet<string>;
  readonly fates: Map<string, Fate>;
  /** A step that was concluded twice: the second fate does not replace the first, it is a fault. */
  readonly repeated: string[];
  completed: boolean;
  /** With `--skip-unsupported`. */
  leftOut: boolean;
}

export function createFateLedger(): FateLedger {
  const jobs = new Map<JobKey, JobFates>();
  const faults: string[] = [];
  return {
    jobs,
    faults,
    note(event) {
      if (event.type === "job_planned") {
        const { job, id, caller, steps } = event;
        if (jobs.has(job)) faults.push(`job ${job} was planned twice`);
        else {
          const controls = new Set(steps.filter(({ way }) => way === "control").map(({ number }) => String(number)));
          const fates = new Map<string, Fate>();
          jobs.set(job, { ...NOTHING_YET, id, caller, declared: steps.length, controls, fates, repeated: [] });
        }
      } else if (event.type === "step_completed" && event.phase === "main") {
        const job = jobs.get(event.job);
        if (job === undefined)
          faults.push(`step ${event.step} has a fate in job ${event.job}, which was never planned`);
        else if (job.fates.has(event.step)) job.repeated.push(event.step);
        else job.fates.set(event.step, event.fate);
      } else if (event.type === "job_completed") {
        const job = jobs.get(event.job);
        if (job === undefined) faults.push(`job ${event.job} ended and was never planned`);
        else Object.assign(job, { completed: true, leftOut: event.unsupported === true });
      }
    },
  };
}

const NOTHING_YET = { completed: false, leftOut: false };

/** Jobs that cannot run here and were left out, a matrix cell counting as a job. */
export function countUnsupported(ledger: FateLedger): number {
  return [...ledger.jobs.values()].filter(({ leftOut }) => leftOut).length;
}

/** Numbers over all jobs of the run, a matrix cell counting as a job. */
export function countFates(ledger: FateLedger): FateCounts {
  const counts = { declared: 0, ran: 0, skipped: 0, notReached: 0, cancelled: 0 };
  for (const job of ledger.jobs.values()) {
    counts.declared += job.declared;
    for (const fate of job.fates.values()) {
      switch (fate.kind) {
        case "ran":
          counts.ran += 1;
          break;
        case "skipped":
          counts.skipped += 1;
          break;
        case "not_reached":
          counts.notReached += 1;
          break;
        case "cancelled":
          counts.cancelled += 1;
          break;
        default:
          unreachable(fate);
      }
    }
  }
  return counts;
}

/** Whether any step did something: one that only waits for others does nothing when none of them ran. */
export function hasWorked(ledger: FateLedger): boolean {
  return [...ledger.jobs.values()].some(({ controls, fates }) =>
    [...fates].some(([step, fate]) => fate.kind === "ran" && !controls.has(step)),
  );
}

/** What does not add up, in words; empty when every declared step of every job has exactly one fate. */
export function findMissingFates(plan: PlannedWorkflow, ledger: FateLedger): string[] {
  return [...ledger.faults, ...faultsBelow(plan, ledger, undefined)];
}

/** Of the jobs of one workflow: the run's own, or the one that `caller` called. */
function faultsBelow({ jobs }: PlannedWorkflow, ledger: FateLedger, caller: JobKey | undefined): string[] {
  return jobs.flatMap(({ job, steps, cells, called }) => {
    const name = caller === undefined ? job.id : `${caller} / ${job.id}`;
    const instances = [...ledger.jobs].filter(([, fates]) => fates.id === job.id && fates.caller === caller);
    const faults = instances.flatMap(([key, fates]) => faultsOfInstance(key, fates, steps));
    // A job that was skipped as a whole is one record, whatever its matrix.
    const whole = instances.length === 1 && instances[0]?.[0] === name;
    if (instances.length === 0) faults.push(`job ${name} is in the plan and not in the record`);
    else if (!whole && cells !== "dynamic" && instances.length !== cells.length) {
      faults.push(`job ${name} has ${cells.length} cells and its record ${instances.length}`);
    }
    if (called?.kind !== "called") return faults;
    return [...faults, ...instances.flatMap(([key]) => faultsBelow(called.plan, ledger, key))];
  });
}

function faultsOfInstance(
  key: JobKey,
  { declared, fates, repeated, completed }: JobFates,
  steps: readonly PlannedStep[],
): string[] {
  const faults: string[] = [];
  if (!completed) faults.push(`job ${key} never ended`);
  if (declared !== steps.length) {
    faults.push(`job ${key} declares ${steps.length} steps and its record holds ${declared}`);
  }
  for (const { step } of steps) {
    if (!fates.has(String(step.number))) faults.push(`step ${step.number} of job ${key} has no fate`);
  }
  for (const step of repeated) faults.push(`step ${step} of job ${key} has two fates`);
  if (fates.size > steps.length) faults.push(`job ${key} has fates for steps that it does not declare`);
  return faults;
}

export interface JobEnd {
  readonly conclusion: Conclusion;
  /** The job's `continue-on-error` was true: its failure does not count against the run. */
  readonly tolerated: boolean;
}

/** GitHub's run conclusion from those of its jobs (ACTIONS-CONTRACT §3.4). */
export function concludeRun(jobs: readonly JobEnd[], worked: boolean, cancelRequested: boolean): Conclusion {
  if (jobs.some((job) => job.conclusion === "failure" && !job.tolerated)) return "failure";
  if (cancelRequested || jobs.some((job) => job.conclusion === "cancelled")) return "cancelled";
  if (jobs.every((job) => job.conclusion === "skipped")) return "skipped";
  // Jobs that succeeded without running one step (each condition said no) make no green run.
  return worked ? "success" : "skipped";
}
