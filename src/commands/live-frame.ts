/**
 * What the live view shows at one moment: workflows that are not over, their jobs and steps, the running steps' last lines,
 * and a footer. Pure: the same runs at the same time in the same window give the same lines.
 *
 * A window is small and a matrix large, so every line has a rank, and the least telling ones go first: steps that wait or are
 * done, those far from the running one before those near it; jobs that wait or are done; the last lines. What runs and what
 * failed stays.
 */
import { unreachable } from "../lib/unreachable.ts";
import type { StepRecord } from "../store/run-record.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { placeJobs } from "./job-tree.ts";
import type { PlacedJob } from "./job-tree.ts";
import { fitLine, span } from "./line.ts";
import type { Line } from "./line.ts";
import { isFailed, jobLine, runText, spinner, stepLine } from "./record-lines.ts";
import type { RunWatch, TailEntry } from "./run-watch.ts";

export interface FrameInput {
  /** Running, in the order in which they started. */
  readonly running: readonly RunWatch[];
  /** Labels of those that wait for a slot. */
  readonly waiting: readonly string[];
  readonly columns: number;
  readonly rows: number;
  readonly nowMs: number;
  readonly startedAtMs: number;
  readonly cancelling: boolean;
}

/** At most `rows` lines of at most `columns` columns. */
export function renderFrame(input: FrameInput): Line[] {
  const ranked = [
    ...input.running.flatMap((watch) => workflowLines(watch, input.nowMs)),
    ...input.waiting.map((label) => ranking(rank.waitingWorkflow, [span("  ○ ", "dim"), span(label, "dim")])),
  ];
  const kept = keepTelling(ranked, Math.max(0, input.rows - 1));
  const footer = footerLine(input, ranked.length - kept.length);
  return [...kept, footer].map((line) => fitLine(line, input.columns));
}

const rank = {
  workflow: 0,
  runningJob: 1,
  runningStep: 2,
  failed: 3,
  lastLine: 4,
  waitingWorkflow: 5,
  otherJob: 6,
  otherStep: 7,
} as const;
type Rank = (typeof rank)[keyof typeof rank];

interface RankedLine {
  readonly rank: Rank;
  /** Among lines of one rank the nearer to what runs now is the more telling. */
  readonly distance: number;
  readonly line: Line;
}

function ranking(rank: Rank, line: Line, distance = 0): RankedLine {
  return { rank, distance, line };
}

/** The `capacity` most telling lines, in their own order. */
function keepTelling(lines: readonly RankedLine[], capacity: number): Line[] {
  const telling = lines.toSorted((a, b) => a.rank - b.rank || a.distance - b.distance).slice(0, capacity);
  const kept = new Set(telling);
  return lines.filter((line) => kept.has(line)).map(({ line }) => line);
}

function workflowLines(watch: RunWatch, nowMs: number): RankedLine[] {
  const { record } = watch;
  const { counts } = record;
  const done = counts.ran + counts.skipped + counts.notReached + counts.cancelled;
  const started = record.startedAt === undefined ? nowMs : Date.parse(record.startedAt);
  const status = `${done}/${Math.max(counts.declared, done)} steps  ${formatDuration(nowMs - started)}`;
  const machine = machineStatus(watch);
  return [
    ranking(rank.workflow, [
      span(`${spinner(nowMs)} `, "cyan"),
      span(plainText(watch.label), "bold"),
      span(runText(record)),
      span(`  ${status}${machine}`, "dim"),
    ]),
    ...placeJobs(record.jobs).flatMap((placed) => jobLines(watch, placed, nowMs)),
  ];
}

function machineStatus({ record }: RunWatch): string {
  if (record.waitingFor !== undefined) return `  waits for the concurrency group ${plainText(record.waitingFor)}`;
  const machine = record.machines.at(-1);
  if (machine?.waitsFor !== undefined) return `  waits for ${plainText(machine.waitsFor)}`;
  if (machine?.status === "requested") return "  starting its machine";
  return machine?.status === "lost" ? "  machine lost" : "";
}

function jobLines(watch: RunWatch, placed: PlacedJob, nowMs: number): RankedLine[] {
  const { job, depth } = placed;
  const line = jobLine(placed, nowMs);
  switch (job.state.status) {
    case "queued":
    case "waiting":
      return [ranking(rank.otherJob, line)];
    case "in_progress": {
      const current = job.steps.findLastIndex(({ state }) => state.status !== "queued");
      return [
        ranking(rank.runningJob, line),
        ...job.steps.flatMap((step, index) => stepLines(watch, placed, step, nowMs, Math.abs(index - current))),
      ];
    }
    case "completed": {
      const failed = job.state.conclusion === "failure";
      const failedSteps = job.steps.filter(isFailed).map((step) => ranking(rank.failed, stepLine(step, nowMs, depth)));
      return [ranking(failed ? rank.failed : rank.otherJob, line), ...failedSteps];
    }
    default:
      return unreachable(job.state);
  }
}

function stepLines(
  watch: RunWatch,
  { job, depth }: PlacedJob,
  step: StepRecord,
  nowMs: number,
  distance: number,
): RankedLine[] {
  const line = stepLine(step, nowMs, depth);
  if (step.state.status !== "in_progress") {
    return [ranking(isFailed(step) ? rank.failed : rank.otherStep, line, distance)];
  }
  const tail = watch.tailOf(job.job, step.step)?.shown ?? [];
  const last = tail.map((entry, index) =>
    ranking(
      rank.lastLine,
      [span(`${"  ".repeat(depth)}      │ `, "dim"), span(tailText(entry), "dim")],
      tail.length - index,
    ),
  );
  return [ranking(rank.runningStep, line), ...last];
}

function tailText(entry: TailEntry): string {
  return entry.kind === "line"
    ? entry.text
    : `▸ ${entry.title}${entry.lines === 0 ? "" : ` (${counted(entry.lines, "line")})`}`;
}

function footerLine({ running, waiting, nowMs, startedAtMs, cancelling }: FrameInput, hidden: number): Line {
  const facts = [
    `${running.length} running`,
    ...(waiting.length === 0 ? [] : [`${waiting.length} waiting`]),
    formatDuration(nowMs - startedAtMs),
    ...(hidden === 0 ? [] : [`${counted(hidden, "line")} not shown`]),
  ];
  const hint = cancelling ? span("cancelling, Ctrl-C ends it at once", "yellow") : span("Ctrl-C cancels", "dim");
  return [span(`${facts.join(" · ")} · `, "dim"), hint];
}
