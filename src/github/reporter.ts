/**
 * From what happens in a server's run to what GitHub is told of it. A check run for the workflow and one for each of its jobs, where
 * an App speaks; else a commit status for the workflow; for a pull request a line in its comment. Reports are whole states: the
 * outbox keeps the last of each key. Everything is said of the head commit. Source: ACTIONS-CONTRACT §7.4.
 */
import type { Conclusion, JobKey, RunEvent } from "../store/run-event.ts";
import { applyEvent, emptyRecord } from "../store/run-record.ts";
import type { GrowingRecord, JobRecord } from "../store/run-record.ts";
import type { NewReport, ServerRun } from "../server/server-store.ts";
import { jobCheck, workflowCheck } from "./check-report.ts";
import { commentLine } from "./comment-report.ts";
import { countsOfJob } from "./report-text.ts";
import type { JobTimes, ReportWay, ReportedRun } from "./reported-run.ts";
import { workflowStatus } from "./status-report.ts";

export interface RunReporter {
  /** Every event of an attempt, in order: puts what has changed. */
  onEvent(run: ServerRun, event: RunEvent): void;
  /** The last word of an attempt; it forgets the attempt. */
  atEnd(run: ServerRun, conclusion: Conclusion, reason: string | undefined): readonly NewReport[];
  /** Of a run that waits, is queued, or ended without having been worked on. */
  standing(run: ServerRun): readonly NewReport[];
  /** Of an attempt that has ended and whose worker cannot tell any more: `events` are all that it kept. */
  ended(run: ServerRun, events: readonly RunEvent[]): readonly NewReport[];
}

/** `put` must not throw. */
export function createRunReporter(way: ReportWay, put: (report: NewReport) => void): RunReporter {
  interface Attempt {
    readonly record: GrowingRecord;
    readonly times: Map<JobKey, JobTimes>;
    /** By key, what was put last. */
    readonly said: Map<string, string>;
  }
  const attempts = new Map<string, Attempt>();
  const changed = ({ said }: Attempt, reports: readonly NewReport[]): readonly NewReport[] =>
    reports.filter(({ key, body }) => said.get(key) !== body && said.set(key, body));

  return {
    onEvent(run, event) {
      let attempt = attempts.get(nameOf(run));
      if (attempt === undefined) {
        attempt = { record: emptyRecord(), times: new Map(), said: new Map() };
        attempts.set(nameOf(run), attempt);
      }
      applyEvent(attempt.record, event);
      noteTime(attempt.times, event);
      if (!MATTERS.has(event.type)) return;
      for (const report of changed(attempt, reportsOf({ run: { ...run, state: "running" }, ...attempt }, way)))
        put(report);
    },
    atEnd(run, conclusion, reason) {
      const attempt = attempts.get(nameOf(run));
      attempts.delete(nameOf(run));
      const ended = { ...run, state: "completed", conclusion, reason: reason ?? run.reason } as const;
      if (attempt === undefined) return reportsOf({ run: ended, record: undefined, times: new Map() }, way);
      return changed(attempt, reportsOf({ run: ended, ...attempt }, way));
    },
    standing: (run) => reportsOf({ run, record: undefined, times: new Map() }, way),
    ended(run, events) {
      const [record, times] = [emptyRecord(), new Map<JobKey, JobTimes>()];
      for (const event of events) {
        applyEvent(record, event);
        noteTime(times, event);
      }
      return reportsOf({ run: { ...run, state: "completed" }, record, times }, way);
    },
  };
}

function nameOf({ id, attempt }: ServerRun): string {
  return `${id}:${attempt}`;
}

/** The rest, logs above all, changes nothing that GitHub is told while it goes on. */
const MATTERS: ReadonlySet<RunEvent["type"]> = new Set([
  "run_started",
  "job_planned",
  "waiting",
  "job_started",
  "job_completed",
]);

function noteTime(times: Map<JobKey, JobTimes>, event: RunEvent): void {
  if (event.type === "job_started") times.set(event.job, { startedAt: event.at });
  if (event.type === "job_completed") times.set(event.job, { ...times.get(event.job), completedAt: event.at });
}

/** All that GitHub should know of the run now. Pure. */
function reportsOf(reported: ReportedRun, way: ReportWay): readonly NewReport[] {
  const { run, record } = reported;
  const own = way.kind === "checks" ? [workflowCheck(reported, way)] : [workflowStatus(reported, way)];
  const jobs = way.kind === "checks" ? (record?.jobs ?? []).filter((job) => isShown(job, reported)) : [];
  const comments = way.comment && run.pullRequest !== undefined ? [commentLine(reported, run.pullRequest)] : [];
  return [...own, ...jobs.map((job) => jobCheck(job, reported, way)), ...comments];
}

/**
 * A job that calls a workflow is shown as the called jobs, unless there are none. One that an earlier attempt brought to its end has its
 * check run from there: until a job of a later attempt starts nobody knows that it is not such a one.
 */
function isShown(job: JobRecord, { run, record }: ReportedRun): boolean {
  const isOver = run.state === "completed" || job.state.status === "completed";
  if (job.calls !== undefined && (!isOver || record?.jobs.some(({ caller }) => caller === job.job) === true))
    return false;
  if (run.attempt === 1) return true;
  if (job.state.status === "queued" || job.state.status === "waiting") return isOver;
  const counts = countsOfJob(job);
  const isEarlier = job.state.status === "completed" && job.state.conclusion === "success" && counts.ran === 0;
  return !(isEarlier && counts.skipped === counts.declared);
}
