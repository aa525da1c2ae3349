/** The run as the API shows it while it goes on, folded from its own events: jobs, steps, how they fare. */
import type { RunEvent, StepPhase } from "../store/run-event.ts";

export interface ApiRun {
  /** UTC, as GitHub writes it. */
  readonly startedAt: string;
  readonly workflow: { readonly path: string; readonly name: string };
  /** `run-name:`; undefined where none is given. */
  readonly title: string | undefined;
  readonly attempt: number;
  /** In the order in which they were planned. Jobs that only call others are left out. */
  readonly jobs: readonly ApiJob[];
}

export interface ApiJob {
  readonly key: string;
  readonly name: string;
  readonly progress: Progress;
  readonly steps: readonly ApiStep[];
}

export interface ApiStep {
  readonly name: string;
  readonly progress: Progress;
}

export interface Progress {
  readonly status: "queued" | "in_progress" | "completed";
  readonly conclusion: string | null;
  readonly startedAt: string | null;
  readonly completedAt: string | null;
}

export interface GrowingRun {
  readonly view: ApiRun;
  /** Every event of the run, in order. */
  note(event: RunEvent): void;
}

type Growing<T> = { -readonly [key in keyof T]: T[key] };
type GrowingJob = Growing<Omit<ApiJob, "steps">> & { steps: (Growing<ApiStep> & { ref: string })[] };

export function createApiRun(startedAt: string): GrowingRun {
  const jobs: GrowingJob[] = [];
  const view: Growing<ApiRun> = {
    startedAt,
    workflow: { path: "", name: "" },
    title: undefined,
    attempt: 1,
    jobs,
  };
  const jobOf = (key: string): GrowingJob | undefined => jobs.find((job) => job.key === key);
  const stepOf = (key: string, ref: string, name: string, phase: StepPhase): Growing<ApiStep> | undefined => {
    const steps = jobOf(key)?.steps;
    const known = steps?.find((step) => step.ref === ref);
    if (known !== undefined || steps === undefined) return known;
    const step = { ref, name, progress: QUEUED };
    if (phase === "set_up" || phase === "pre") {
      const firstDeclared = steps.findIndex((one) => /^\d+$/.test(one.ref));
      steps.splice(firstDeclared === -1 ? steps.length : firstDeclared, 0, step);
    } else steps.push(step);
    return step;
  };
  return {
    view,
    note(event) {
      switch (event.type) {
        case "run_started":
          view.workflow = event.workflow;
          view.title = event.title;
          view.attempt = event.attempt ?? 1;
          return;
        case "job_planned":
          if (event.calls !== undefined) return;
          jobs.push({
            key: event.job,
            name: event.name,
            progress: QUEUED,
            steps: event.steps.map(({ number, name }) => ({ ref: String(number), name, progress: QUEUED })),
          });
          return;
        case "job_started": {
          const job = jobOf(event.job);
          if (job !== undefined) job.progress = { ...QUEUED, status: "in_progress", startedAt: event.at };
          return;
        }
        case "step_started": {
          const step = stepOf(event.job, event.step, event.name, event.phase);
          if (step !== undefined) step.progress = { ...QUEUED, status: "in_progress", startedAt: event.at };
          return;
        }
        case "step_completed": {
          const step = stepOf(event.job, event.step, event.name, event.phase);
          const { fate } = event;
          if (step !== undefined)
            step.progress = ended(
              step.progress,
              event.at,
              fate.kind === "ran" ? fate.conclusion : WITHOUT_RUNNING[fate.kind],
            );
          return;
        }
        case "job_completed": {
          const job = jobOf(event.job);
          if (job !== undefined) job.progress = ended(job.progress, event.at, event.conclusion);
          return;
        }
        default:
      }
    },
  };
}

const QUEUED: Progress = { status: "queued", conclusion: null, startedAt: null, completedAt: null };

/** GitHub has no word for a step whose turn never came: it shows it as skipped. */
const WITHOUT_RUNNING = { skipped: "skipped", not_reached: "skipped", cancelled: "cancelled" } as const;

function ended(progress: Progress, at: string, conclusion: string): Progress {
  return { status: "completed", conclusion, startedAt: progress.startedAt ?? at, completedAt: at };
}
