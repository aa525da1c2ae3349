/**
 * What a run or a job came to, in words for GitHub. Names and messages are somebody else's text: they stand in code spans, where they
 * are neither markup nor a mention. Masked already, as everything in a record.
 */
import type { Fate, FateCounts } from "../store/run-event.ts";
import type { JobRecord, RunRecord, StepRecord } from "../store/run-record.ts";
import { cutLine } from "./cut-text.ts";

/** A table of more is no table any more; what failed is always in it. */
const MAX_ROWS = 100;
const MAX_NAME = 200;

/** What people call a workflow: its path below `.github/workflows`. */
export function workflowLabel(path: string): string {
  return path.replace(/^\.github\/workflows\//, "");
}

/** `9/9 steps, 12.3s`; without a duration while it goes on. */
export function totalsText({ declared, ran, skipped, notReached, cancelled }: FateCounts, durationMs?: number): string {
  const others = [
    ...(skipped === 0 ? [] : [`${skipped} skipped`]),
    ...(notReached === 0 ? [] : [`${notReached} not reached`]),
    ...(cancelled === 0 ? [] : [`${cancelled} cancelled`]),
  ];
  const steps = `${ran}/${declared} steps${others.length === 0 ? "" : ` (${others.join(", ")})`}`;
  return durationMs === undefined ? steps : `${steps}, ${durationText(durationMs)}`;
}

/** `12.3s`, `2m 05s`, `1h 07m`. */
function durationText(durationMs: number): string {
  const tenths = Math.round(Math.max(0, durationMs) / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)}s`;
  const seconds = Math.round(tenths / 10);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${twoDigits(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h ${twoDigits(Math.floor((seconds % 3600) / 60))}m`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

export function countsOfJob({ steps }: JobRecord): FateCounts {
  const declared = steps.filter(({ phase }) => phase === "main");
  const count = (kind: Fate["kind"]): number =>
    declared.filter(({ state }) => state.status === "completed" && state.fate.kind === kind).length;
  return {
    declared: declared.length,
    ran: count("ran"),
    skipped: count("skipped"),
    notReached: count("not_reached"),
    cancelled: count("cancelled"),
  };
}

/** What went wrong first, as far as a step says it: `step 3, npm test: exit code 2`. */
export function firstFailure(job: JobRecord): string | undefined {
  const failed = job.steps.find(isFailed);
  if (failed === undefined) return undefined;
  const place = failed.phase === "main" ? `step ${failed.step}, ${failed.name}` : failed.name;
  return `${place}: ${stepWord(failed)}`;
}

export function jobTable(jobs: readonly JobRecord[]): string {
  const rows = ordered(jobs, (job) => job.state.status === "completed" && job.state.conclusion === "failure").map(
    (job) => {
      const { state } = job;
      const word = state.status === "completed" ? state.conclusion : state.status.replace("_", " ");
      const time = state.status === "completed" ? durationText(state.durationMs) : "";
      return [codeCell(job.name), word, totalsText(countsOfJob(job)), time];
    },
  );
  return table(["job", "", "steps", "time"], rows, jobs.length);
}

export function stepTable(steps: readonly StepRecord[]): string {
  const rows = ordered(steps, isFailed).map((step) => {
    const time = step.state.status === "completed" ? durationText(step.state.durationMs) : "";
    return [step.phase === "main" ? step.step : "", codeCell(step.name), codeCell(stepWord(step)), time];
  });
  return table(["", "step", "", "time"], rows, steps.length);
}

/** `microVM (Firecracker)`: of every machine that there was. */
export function isolationText({ machines }: RunRecord): string {
  const kinds = new Set(machines.flatMap(({ isolation }) => (isolation === undefined ? [] : [isolation])));
  return [...kinds].join(", ");
}

/** A code span on one line, whatever is in the text. */
export function code(text: string): string {
  const line = cutLine(text.replaceAll("`", "'"), MAX_NAME);
  return line === "" ? "" : `\`${line}\``;
}

function codeCell(text: string): string {
  // Of a table the cell ends at a bar, in code too.
  return code(text).replaceAll("|", "\\|");
}

function isFailed({ state }: StepRecord): boolean {
  return state.status === "completed" && state.fate.kind === "ran" && state.fate.conclusion === "failure";
}

function stepWord({ state }: StepRecord): string {
  if (state.status !== "completed") return state.status.replace("_", " ");
  const { fate } = state;
  if (fate.kind !== "ran") return `${fate.kind.replace("_", " ")}: ${fate.reason}`;
  if (fate.conclusion !== "failure") return fate.outcome === "failure" ? "failure, and goes on" : fate.conclusion;
  return fate.exitCode === undefined ? (fate.message ?? "failure") : `exit code ${fate.exitCode}`;
}

function ordered<T>(all: readonly T[], isFirst: (one: T) => boolean): readonly T[] {
  if (all.length <= MAX_ROWS) return all;
  return [...all.filter(isFirst), ...all.filter((one) => !isFirst(one))].slice(0, MAX_ROWS);
}

function table(head: readonly string[], rows: readonly (readonly string[])[], total: number): string {
  if (rows.length === 0) return "";
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const more = total > rows.length ? [`\nand ${total - rows.length} more`] : [];
  return [...lines, ...more].join("\n");
}
