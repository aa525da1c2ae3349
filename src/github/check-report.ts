/** The check runs of a run, of the workflow and of each of its jobs, each said whole. Pure. */
import { unreachable } from "../lib/unreachable.ts";
import type { AnnotationFields, Conclusion, JobKey } from "../store/run-event.ts";
import type { JobRecord, RunRecord } from "../store/run-record.ts";
import type { NewReport, ServerRun } from "../server/server-store.ts";
import { githubAnnotation, MAX_ANNOTATIONS } from "./annotations.ts";
import { jobHeadline, jobSummary, outputOf, summariesOf, workflowSummary } from "./check-text.ts";
import type { CheckRunBody } from "./report-body.ts";
import { formatReportId } from "./report-id.ts";
import { checkName, conclusionOf, headline } from "./reported-run.ts";
import type { ReportWay, ReportedRun } from "./reported-run.ts";

/** The buttons that we add to GitHub's own. Closed set; `button-of-delivery.ts` reads them. */
export const BUTTONS = {
  rerunFailed: "rerun_failed",
  rerunAll: "rerun_all",
  cancel: "cancel",
} as const;

export function workflowCheck(reported: ReportedRun, way: ReportWay): NewReport {
  const { run } = reported;
  const isWaiting = run.state === "waiting";
  const id = isWaiting ? { run: run.id, attempt: 0, job: "" } : { run: run.id, attempt: run.attempt, job: "" };
  return checkReport(run, {
    fields: {
      name: checkName(run, undefined),
      head_sha: run.headSha,
      external_id: formatReportId(id),
      ...detailsOf(way, run, undefined),
      ...stateOfWorkflow(reported),
      output: outputOf(headline(reported), workflowSummary(reported), undefined),
      actions: actionsOf(run),
    },
    annotations: [],
  });
}

export function jobCheck(job: JobRecord, reported: ReportedRun, way: ReportWay): NewReport {
  const { run, record, times } = reported;
  const { startedAt: started, completedAt } = times.get(job.job) ?? {};
  const isOver = run.state === "completed" || job.state.status === "completed";
  const all = (record?.annotations ?? []).filter((one) => one.job === job.job);
  return checkReport(
    run,
    {
      fields: {
        name: checkName(run, jobName(job, reported)),
        head_sha: run.headSha,
        external_id: formatReportId({ run: run.id, attempt: run.attempt, job: job.job }),
        ...detailsOf(way, run, job.job),
        status: isOver ? "completed" : job.state.status === "in_progress" ? "in_progress" : "queued",
        ...(isOver && { conclusion: conclusionOfJob(job, run) }),
        ...(started !== undefined && { started_at: started }),
        ...(isOver && completedAt !== undefined && { completed_at: completedAt }),
        output: outputOf(jobHeadline(job, run), jobSummary(job, run, all.length), summariesOf(job, record)),
        // One that has ended has GitHub's own "Re-run"; more would change it once more when the run ends.
        actions: isOver ? [] : actionsOf(run),
      },
      // Each is added to those that are there: they come with the end, when they are all known.
      annotations: isOver ? annotationsOf(all, run) : [],
    },
    job.job,
  );
}

/**
 * What waits for approval ends as `action_required` and is followed by a check run of the same name: GitHub says nowhere that one which
 * has ended may go on.
 */
function stateOfWorkflow({
  run,
  record,
}: ReportedRun): Pick<CheckRunBody["fields"], "status" | "conclusion" | "started_at"> {
  switch (run.state) {
    case "waiting":
      return { status: "completed", conclusion: "action_required" };
    case "queued":
      return { status: "queued" };
    case "running":
      return { status: "in_progress", ...startedAt(record) };
    case "completed":
      return { status: "completed", conclusion: conclusionOf(run), ...startedAt(record) };
    default:
      return unreachable(run.state);
  }
}

function startedAt(record: RunRecord | undefined): { started_at?: string } {
  return record?.startedAt === undefined ? {} : { started_at: record.startedAt };
}

/** A job that was still going on when its run ended has not succeeded. */
function conclusionOfJob({ state }: JobRecord, run: ServerRun): Conclusion {
  if (state.status === "completed") return state.conclusion;
  return run.conclusion === "cancelled" ? "cancelled" : "failure";
}

/** Two jobs may have the same name; the key is unique. */
function jobName({ job, name }: JobRecord, { record }: ReportedRun): string {
  const isShared = record?.jobs.some((other) => other.name === name && other.job !== job) === true;
  return isShared ? `${name} [${job}]` : name;
}

function annotationsOf(all: readonly { readonly annotation: AnnotationFields }[], run: ServerRun) {
  const rank = { error: 0, warning: 1, notice: 2 };
  const kept =
    all.length <= MAX_ANNOTATIONS
      ? all
      : all.toSorted((a, b) => rank[a.annotation.level] - rank[b.annotation.level]).slice(0, MAX_ANNOTATIONS);
  return kept.map(({ annotation }) => githubAnnotation(annotation, run.workflow));
}

/** At most three. GitHub's own "Re-run" is there besides. */
function actionsOf({ state, conclusion }: ServerRun): CheckRunBody["fields"]["actions"] {
  if (state === "queued" || state === "running") {
    return [{ label: "Cancel", description: "Stop this workflow run", identifier: BUTTONS.cancel }];
  }
  if (state !== "completed") return [];
  const all = { label: "Re-run all jobs", description: "Run the whole workflow again", identifier: BUTTONS.rerunAll };
  if (conclusion === "success" || conclusion === "skipped") return [all];
  const description = "Run again what did not succeed";
  return [{ label: "Re-run failed jobs", description, identifier: BUTTONS.rerunFailed }, all];
}

function detailsOf(way: ReportWay, run: ServerRun, job: JobKey | undefined): { details_url?: string } {
  const address = way.detailsUrl(run.id, job);
  return address === undefined ? {} : { details_url: address };
}

function checkReport(run: ServerRun, body: CheckRunBody, job = ""): NewReport {
  const attempt = run.state === "waiting" ? 0 : run.attempt;
  return {
    key: `check:${run.id}:${attempt}:${job}`,
    kind: "check_run",
    repository: run.repository,
    body: JSON.stringify(body),
  };
}
