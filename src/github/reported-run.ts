/** A run as the reports see it, and what all of them call it. */
import { unreachable } from "../lib/unreachable.ts";
import type { Conclusion, JobKey } from "../store/run-event.ts";
import type { RunRecord } from "../store/run-record.ts";
import type { ServerRun } from "../server/server-store.ts";
import { cutLine } from "./cut-text.ts";
import { firstFailure, totalsText, workflowLabel } from "./report-text.ts";

export interface ReportWay {
  /** `checks` needs a GitHub App. */
  readonly kind: "checks" | "statuses";
  /** Pull requests get a comment. */
  readonly comment: boolean;
  /** Where people see more of a run, and of a job of it: an http address; undefined where there is none. */
  readonly detailsUrl: (run: number, job: JobKey | undefined) => string | undefined;
}

/** A run and what is known of its current attempt. */
export interface ReportedRun {
  readonly run: ServerRun;
  /** Undefined before it starts. */
  readonly record: RunRecord | undefined;
  readonly times: ReadonlyMap<JobKey, JobTimes>;
}

export interface JobTimes {
  readonly startedAt?: string;
  readonly completedAt?: string;
}

const MAX_NAME = 200;

/**
 * `ci.yml / test (22) (pull_request)`. The file and the event are in it: GitHub shows only the newest check run of a name on a commit,
 * so two workflows with a job `build`, or one that ran for the push and for the pull request, would hide each other, a failure
 * among them.
 */
export function checkName({ workflow, event }: ServerRun, job: string | undefined): string {
  const label = workflowLabel(workflow);
  return cutLine(`${job === undefined ? label : `${label} / ${cutLine(job, MAX_NAME)}`} (${event})`, 2 * MAX_NAME);
}

/** One that ended without a conclusion is nothing to merge on. */
export function conclusionOf({ conclusion, refusal }: ServerRun): Conclusion {
  return refusal === undefined ? (conclusion ?? "failure") : "failure";
}

/** In a few words. */
export function headline({ run, record }: ReportedRun): string {
  switch (run.state) {
    case "waiting":
      return "Waits for approval";
    case "queued":
      return run.attempt > 1 ? `Queued, attempt ${run.attempt}` : "Queued";
    // Nothing that changes with every step: each change is a request.
    case "running":
      return record?.waitingFor === undefined ? "In progress" : `Waits for others of ${record.waitingFor}`;
    case "completed": {
      if (run.refusal !== undefined) return "Cannot run";
      const failed = record?.jobs.find((job) => firstFailure(job) !== undefined);
      const fault = failed && conclusionOf(run) === "failure" ? `${failed.name}, ${firstFailure(failed)}; ` : "";
      if (record === undefined) return run.reason ?? conclusionOf(run);
      return fault + totalsText(record.counts, record.ending?.durationMs);
    }
    default:
      return unreachable(run.state);
  }
}
