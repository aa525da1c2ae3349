/**
 * `hearth logs`: what a run printed, from the store, so it also tells about runs that are going on or were lost. On a terminal
 * groups are folded to their titles unless `--verbose`; into a pipe everything goes, for `grep`.
 */
import { EngineError } from "../lib/engine-error.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { RunEvent, StepRef } from "../store/run-event.ts";
import { applyEvent, emptyRecord } from "../store/run-record.ts";
import type { JobRecord, RunRecord, StepRecord } from "../store/run-record.ts";
import type { StoredRun } from "../store/run-store.ts";
import { apiLines } from "./api-lines.ts";
import type { ApiWriteEvent } from "./api-lines.ts";
import { counted } from "./counted.ts";
import { colouredText, plainText, splitReturns } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { jobSummaryLines } from "./job-summaries.ts";
import { paintLine } from "./line.ts";
import { lossLines } from "./loss-lines.ts";
import { writeNetworkTable } from "./network-lines.ts";
import type { EgressEvent } from "./network-lines.ts";
import { readRecord } from "./read-record.ts";
import { fateText } from "./record-lines.ts";
import type { Output, Terminal } from "./terminal.ts";

export interface LogsCommandOptions {
  /** A job's key (`build (20)`) or its id, which stands for all its cells. */
  readonly job?: string;
  /** A step's number, its name, or what the runner calls its own: `set-up`, `post-2`. */
  readonly step?: string;
  readonly verbose?: boolean;
  /** What the steps wrote into their summaries instead of what they printed. */
  readonly summary?: boolean;
  /** Which outside hosts the steps asked for, instead of what they printed. */
  readonly network?: boolean;
  /** What the jobs changed through GitHub's API, instead of what they printed. */
  readonly api?: boolean;
  /** Of a server's run. */
  readonly follow?: boolean;
}

export async function logs(
  { store }: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  options: LogsCommandOptions,
): Promise<ExitCode> {
  const { out, err, live } = terminal;
  const stored = await store.find(prefix);
  if (options.summary === true) return summary(store, stored, terminal, options);
  if (options.api === true) return apiWrites(store, stored, terminal, options);
  if (options.network === true) return network(store, stored, terminal, options);
  const record = emptyRecord();
  const writer = createLogWriter(out, live && options.verbose !== true);
  let shown = false;
  err.write(`${err.colors.dim(plainText(titleOf(stored)))}\n`);
  for await (const event of store.read(stored.run)) {
    applyEvent(record, event);
    if (event.type === "machine_lost" && options.step === undefined) {
      for (const line of lossLines(event)) out.write(`${line}\n`);
    }
    if (!("step" in event)) continue;
    const { job, step } = placeOf(record, event);
    if (job === undefined || step === undefined || !isWanted(record, job, step, options)) continue;
    shown = true;
    writer.write(event, job, step);
  }
  if (!shown && (options.job !== undefined || options.step !== undefined)) throw nothingWanted(stored, record, options);
  err.write(`${err.colors.dim(endOf(stored))}\n`);
  return exitCode.success;
}

async function summary(
  store: Hearth["store"],
  stored: StoredRun,
  terminal: Terminal,
  options: LogsCommandOptions,
): Promise<ExitCode> {
  const { out, err } = terminal;
  const record = await readRecord(store, stored);
  err.write(`${err.colors.dim(plainText(titleOf(stored)))}\n`);
  const jobs = wantedJobs(stored, record, options);
  const lines = await jobSummaryLines({ ...record, jobs }, terminal, { label: undefined, limit: undefined });
  for (const line of lines) out.write(`${paintLine(line, out.colors)}\n`);
  if (lines.length === 0) err.write("No step wrote a summary.\n");
  return exitCode.success;
}

async function apiWrites(
  store: Hearth["store"],
  stored: StoredRun,
  { out, err }: Terminal,
  options: LogsCommandOptions,
): Promise<ExitCode> {
  const writes: ApiWriteEvent[] = [];
  const record = await readRecord(store, stored, (event) => {
    if (event.type === "api_write") writes.push(event);
  });
  err.write(`${err.colors.dim(plainText(titleOf(stored)))}\n`);
  const wanted = new Set(wantedJobs(stored, record, options).map(({ job }) => job));
  const lines = writes.filter(({ job }) => wanted.has(job)).flatMap(apiLines);
  for (const line of lines) out.write(`${line}\n`);
  if (lines.length === 0) err.write("No job changed anything through the API.\n");
  return exitCode.success;
}

async function network(
  store: Hearth["store"],
  stored: StoredRun,
  { out, err }: Terminal,
  options: LogsCommandOptions,
): Promise<ExitCode> {
  const asked: EgressEvent[] = [];
  const record = await readRecord(store, stored, (event) => {
    if (event.type === "egress") asked.push(event);
  });
  err.write(`${err.colors.dim(plainText(titleOf(stored)))}\n`);
  const wanted = record.jobs.flatMap((job) => job.steps.filter((step) => isWanted(record, job, step, options)));
  if (wanted.length === 0 && (options.job ?? options.step) !== undefined) throw nothingWanted(stored, record, options);
  const events = asked.filter((event) => {
    const { job, step } = placeOf(record, event);
    return job !== undefined && step !== undefined && isWanted(record, job, step, options);
  });
  if (events.length > 0) writeNetworkTable(out, events, record);
  else if (record.provider === "host") {
    err.write("Nothing is known: steps on the host use its network, past Hearth.\n");
  } else err.write("No step asked for an outside host.\n");
  return exitCode.success;
}

function createLogWriter({ write, colors }: Output, fold: boolean) {
  const line = colors.isColorSupported ? colouredText : plainText;
  let at = "";
  /** Lines of the folded group that is open in the current step. */
  let folded: number | undefined;

  function unfold(): void {
    if (folded !== undefined && folded > 0)
      write(colors.dim(`    (${counted(folded, "line")}, --verbose shows it all)\n`));
    folded = undefined;
  }

  function enter({ job }: JobRecord, { step, name }: StepRecord): void {
    if (at === `${job}\n${step}`) return;
    unfold();
    at = `${job}\n${step}`;
    write(`${colors.bold(plainText(`${job} | ${step} ${name}`))}\n`);
  }

  return {
    write(event: Extract<RunEvent, StepRef>, job: JobRecord, step: StepRecord): void {
      switch (event.type) {
        case "log":
          enter(job, step);
          if (folded !== undefined) folded += 1;
          else for (const part of splitReturns(event.line)) write(`  ${line(part)}\n`);
          return;
        case "group":
          enter(job, step);
          unfold();
          write(`  ${colors.cyan(`▸ ${plainText(event.title)}`)}\n`);
          if (fold) folded = 0;
          return;
        case "group_end":
          return unfold();
        case "step_completed": {
          enter(job, step);
          unfold();
          const { fate } = event;
          const text = `${fate.kind === "ran" && fate.outcome === "success" ? "success  " : ""}${fateText(fate, event.durationMs)}`;
          const message = fate.kind === "ran" && fate.message !== undefined ? `: ${plainText(fate.message)}` : "";
          write(`  ${colors.dim(`${text}${message}`)}\n`);
          return;
        }
        default:
      }
    },
  };
}

function placeOf(record: RunRecord, ref: StepRef): { job: JobRecord | undefined; step: StepRecord | undefined } {
  const job = record.jobs.find((known) => known.job === ref.job);
  return { job, step: job?.steps.find((known) => known.step === ref.step) };
}

function isWanted(record: RunRecord, job: JobRecord, step: StepRecord, wanted: LogsCommandOptions): boolean {
  const stepFits = wanted.step === undefined || wanted.step === step.step || wanted.step === step.name;
  return stepFits && isWantedJob(record, job, wanted);
}

/** Throws RUN_NOT_FOUND where there is none of those that were named. */
function wantedJobs(stored: StoredRun, record: RunRecord, options: LogsCommandOptions): readonly JobRecord[] {
  const jobs = record.jobs.filter((job) => isWantedJob(record, job, options));
  if (jobs.length === 0 && options.job !== undefined) throw nothingWanted(stored, record, options);
  return jobs;
}

/** A job that calls a workflow stands for all jobs of that. */
function isWantedJob(record: RunRecord, job: JobRecord, wanted: LogsCommandOptions): boolean {
  if (wanted.job === undefined || wanted.job === job.job || wanted.job === job.id) return true;
  const caller = record.jobs.find((known) => known.job === job.caller);
  return caller !== undefined && caller !== job && isWantedJob(record, caller, wanted);
}

function titleOf({ run, workflow, runNumber, event, startedAt, title, attempt }: StoredRun): string {
  const more = [...(title === undefined ? [] : [title]), ...(attempt < 2 ? [] : [`attempt ${attempt}`])];
  return [run, `${workflow} #${runNumber}`, ...more, event, startedAt].join("  ");
}

function endOf({ state }: StoredRun): string {
  switch (state.status) {
    case "in_progress":
      return "The run is going on.";
    case "lost":
      return state.cause === "killed"
        ? "The run was lost (killed): its process is gone and never said how the run ended."
        : "The run was lost (host restarted): it had not ended when the host went down.";
    case "completed": {
      const { conclusion, error, durationMs } = state.ending;
      const trouble = error === undefined ? "" : `: ${plainText(`${error.code}: ${error.message}`)}`;
      return `${conclusion}${trouble}  ${formatDuration(durationMs)}`;
    }
    default:
      return unreachable(state);
  }
}

function nothingWanted({ run }: StoredRun, record: RunRecord, options: LogsCommandOptions): EngineError {
  const { job, step } = options;
  const { jobs } = record;
  const inJob = jobs.filter((known) => known.calls === undefined && isWantedJob(record, known, options));
  if (inJob.length === 0) {
    return new EngineError("RUN_NOT_FOUND", `Run ${run} has no job ${String(job)}`, {
      hint: `Its jobs: ${jobs.map((known) => known.job).join(", ")}`,
    });
  }
  const steps = inJob[0]?.steps.map((known) => `${known.step} ${known.name}`) ?? [];
  return new EngineError("RUN_NOT_FOUND", `Run ${run} has no log of step ${String(step)}`, {
    hint: `Steps of ${inJob[0]?.job ?? ""}: ${steps.join(", ")}`,
  });
}
