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
import { counted } from "./counted.ts";
import { colouredText, plainText, splitReturns } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { fateText } from "./record-lines.ts";
import type { Output, Terminal } from "./terminal.ts";

export interface LogsCommandOptions {
  /** A job's key (`build (20)`) or its id, which stands for all its cells. */
  readonly job?: string;
  /** A step's number, its name, or what the runner calls its own: `set-up`, `post-2`. */
  readonly step?: string;
  readonly verbose?: boolean;
}

export async function logs(
  { store }: Hearth,
  { out, err, live }: Terminal,
  prefix: string | undefined,
  options: LogsCommandOptions,
): Promise<ExitCode> {
  const stored = await store.find(prefix);
  const record = emptyRecord();
  const writer = createLogWriter(out, live && options.verbose !== true);
  let shown = false;
  err.write(`${err.colors.dim(plainText(titleOf(stored)))}\n`);
  for await (const event of store.read(stored.run)) {
    applyEvent(record, event);
    if (!("step" in event)) continue;
    const { job, step } = placeOf(record, event);
    if (job === undefined || step === undefined || !isWanted(job, step, options)) continue;
    shown = true;
    writer.write(event, job, step);
  }
  if (!shown && (options.job !== undefined || options.step !== undefined)) throw nothingWanted(stored, record, options);
  err.write(`${err.colors.dim(endOf(stored))}\n`);
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

function isWanted(job: JobRecord, step: StepRecord, wanted: LogsCommandOptions): boolean {
  const jobFits = wanted.job === undefined || wanted.job === job.job || wanted.job === job.id;
  const stepFits = wanted.step === undefined || wanted.step === step.step || wanted.step === step.name;
  return jobFits && stepFits;
}

function titleOf({ run, workflow, runNumber, event, startedAt }: StoredRun): string {
  return `${run}  ${workflow} #${runNumber}  ${event}  ${startedAt}`;
}

function endOf({ state }: StoredRun): string {
  switch (state.status) {
    case "in_progress":
      return "The run is going on.";
    case "lost":
      return "The run was lost: its process ended without saying how.";
    case "completed": {
      const { conclusion, error, durationMs } = state.ending;
      const trouble = error === undefined ? "" : `: ${plainText(`${error.code}: ${error.message}`)}`;
      return `${conclusion}${trouble}  ${formatDuration(durationMs)}`;
    }
    default:
      return unreachable(state);
  }
}

function nothingWanted({ run }: StoredRun, { jobs }: RunRecord, { job, step }: LogsCommandOptions): EngineError {
  const inJob = jobs.filter((known) => job === undefined || known.job === job || known.id === job);
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
