/** What stands in a check run of a workflow or a job, within GitHub's limits. Pure. */
import type { JobRecord, RunRecord } from "../store/run-record.ts";
import type { ServerRun } from "../server/server-store.ts";
import { MAX_ANNOTATIONS } from "./annotations.ts";
import { cutLine, cutText } from "./cut-text.ts";
import type { CheckRunBody } from "./report-body.ts";
import {
  code,
  countsOfJob,
  firstFailure,
  isolationText,
  jobTable,
  stepTable,
  totalsText,
  workflowLabel,
} from "./report-text.ts";
import { conclusionOf } from "./reported-run.ts";
import type { ReportedRun } from "./reported-run.ts";

const MAX_OUTPUT = 65_535;
const MAX_TITLE = 200;

export function workflowSummary({ run, record }: ReportedRun): string {
  const label = code(workflowLabel(run.workflow));
  const word = run.state === "completed" ? `: **${conclusionOf(run)}**` : "";
  const parts = [`${label}${word}, run ${run.id}${run.attempt > 1 ? `, attempt ${run.attempt}` : ""}`];
  if (run.state === "waiting") parts.push(howToApprove(run));
  if (run.refusal !== undefined) parts.push(fenced(run.refusal));
  else if (run.reason !== undefined && run.reason !== "") parts.push(code(run.reason));
  if (record !== undefined && run.state === "completed") {
    parts.push(totalsText(record.counts, record.ending?.durationMs));
    const isolation = isolationText(record);
    if (isolation !== "") parts.push(`Isolation: ${isolation}`);
    const { error } = record.ending ?? {};
    if (error !== undefined) parts.push(code(`${error.code}: ${error.message}`));
    parts.push(jobTable(record.jobs));
  }
  return parts.filter((part) => part !== "").join("\n\n");
}

function howToApprove({ id, headSha }: ServerRun): string {
  return (
    `It comes from outside the repository, and runs when somebody who may write approves this very commit, ${code(headSha)}: ` +
    `${code(`hearth approve ${id}`)} on the server. It will have no secrets and a token that only reads.`
  );
}

export function jobHeadline(job: JobRecord, { state, conclusion }: ServerRun): string {
  const counts = countsOfJob(job);
  if (job.state.status !== "completed")
    return state === "completed" ? `Ended as the run did: ${conclusion}` : totalsText(counts);
  const failure = firstFailure(job);
  return `${failure === undefined ? "" : `${failure}; `}${totalsText(counts, job.state.durationMs)}`;
}

export function jobSummary(job: JobRecord, run: ServerRun, annotations: number): string {
  const reason =
    job.state.status === "completed" ? job.state.reason : run.state === "completed" ? run.reason : undefined;
  const left = annotations - MAX_ANNOTATIONS;
  return [
    `${code(job.name)} of ${code(workflowLabel(run.workflow))}, run ${run.id}`,
    reason === undefined ? "" : code(reason),
    left > 0 ? `${left} more annotations are in the log.` : "",
    stepTable(job.steps),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** What its steps wrote into their summaries, in their order. */
export function summariesOf({ job }: JobRecord, record: RunRecord | undefined): string | undefined {
  const texts = (record?.summaries ?? []).filter((one) => one.job === job).map(({ markdown }) => markdown);
  return texts.length === 0 ? undefined : texts.join("\n\n");
}

export function outputOf(title: string, summary: string, text: string | undefined): CheckRunBody["fields"]["output"] {
  return {
    title: cutLine(title, MAX_TITLE),
    summary: cutOutput(summary),
    ...(text !== undefined && { text: cutOutput(text) }),
  };
}

function cutOutput(text: string): string {
  return cutText(text, MAX_OUTPUT, "\n\n(the rest is cut: GitHub shows no more)");
}

/** Text that nothing in it can leave. */
function fenced(text: string): string {
  const fence = "`".repeat(Math.max(3, ...(text.match(/`+/g) ?? []).map((run) => run.length + 1)));
  return `${fence}\n${text}\n${fence}`;
}
