/** One line, or with `--json` one object, for each workflow when everything has ended. Pure. */
import { EngineError } from "../lib/engine-error.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { FateCounts } from "../store/run-event.ts";
import { counted } from "./counted.ts";
import { displayWidth, plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { span } from "./line.ts";
import type { Line, Style } from "./line.ts";
import { isFailed } from "./record-lines.ts";
import type { RunResult } from "./run-all.ts";
import { describeFault } from "./run-report.ts";
import { workflowLabel } from "./workflow-label.ts";

/** `ci.yml  success  9/9 steps  12.3s`, in columns. */
export function summaryLines(results: readonly RunResult[]): Line[] {
  const rows = results.map((result) => ({ label: workflowLabel(result.plan.workflow.path), ...summaryOf(result) }));
  const labelWidth = Math.max(...rows.map(({ label }) => displayWidth(plainText(label))));
  const wordWidth = Math.max(...rows.map(({ word }) => word.length));
  return rows.map(({ label, word, style, counts, unsupportedJobs, durationMs }) => [
    span(pad(plainText(label), labelWidth), "bold"),
    span(`  ${word.padEnd(wordWidth)}`, style),
    span(`  ${countsText(counts)}`),
    span(unsupportedJobs === 0 ? "" : `  ${counted(unsupportedJobs, "job")} skipped as unsupported`, "yellow"),
    span(durationMs === undefined ? "" : `  ${formatDuration(durationMs)}`, "dim"),
  ]);
}

/** Of a `--json` stream the last line for each workflow. A change of a member is a change of a public format. */
export function jsonSummary(result: RunResult): object {
  const { counts, durationMs } = summaryOf(result);
  const common = { type: "summary", workflow: result.plan.workflow.path, counts };
  switch (result.kind) {
    case "ended":
      return {
        ...common,
        run: result.run,
        conclusion: result.outcome.conclusion,
        unsupportedJobs: result.outcome.unsupportedJobs,
        durationMs,
        error: result.outcome.error ?? null,
        failedSteps: result.watch.record.jobs.flatMap(({ job, steps }) =>
          steps.filter(isFailed).map(({ step, name }) => ({ job, step, name })),
        ),
        // A job can fail by what is none of its steps: its matrix, its machine, its time.
        failedJobs: result.watch.record.jobs.flatMap(({ job, state }) =>
          state.status === "completed" && state.conclusion === "failure" ? [{ job, reason: state.reason ?? null }] : [],
        ),
        annotations: result.watch.record.annotations,
      };
    case "not_started":
      return { ...common, conclusion: "failure", error: errorSummary(result.error) };
    case "not_reached":
      return { ...common, conclusion: "cancelled", error: null };
    default:
      return unreachable(result);
  }
}

interface Summary {
  readonly word: string;
  readonly style: Style;
  readonly counts: FateCounts;
  /** Left out with `--skip-unsupported`. */
  readonly unsupportedJobs: number;
  readonly durationMs: number | undefined;
}

function summaryOf(result: RunResult): Summary {
  const declared = result.plan.declaredSteps;
  const counts = { declared, ran: 0, skipped: 0, notReached: declared, cancelled: 0 };
  const nothing = { counts, unsupportedJobs: 0, durationMs: undefined };
  switch (result.kind) {
    case "ended": {
      const { conclusion, error, ...numbers } = result.outcome;
      if (error !== undefined) return { ...numbers, word: "error", style: "red" };
      const style = ({ success: "green", failure: "red", cancelled: "yellow", skipped: "yellow" } as const)[conclusion];
      return { ...numbers, word: conclusion, style };
    }
    case "not_started":
      return { word: "error", style: "red", ...nothing };
    case "not_reached":
      return { word: "cancelled", style: "yellow", ...nothing };
    default:
      return unreachable(result);
  }
}

function countsText({ declared, ran, skipped, notReached, cancelled }: FateCounts): string {
  const others = [
    ...(skipped === 0 ? [] : [`${skipped} skipped`]),
    ...(notReached === 0 ? [] : [`${notReached} not reached`]),
    ...(cancelled === 0 ? [] : [`${cancelled} cancelled`]),
  ];
  return `${ran}/${declared} steps${others.length === 0 ? "" : ` (${others.join(", ")})`}`;
}

function pad(text: string, columns: number): string {
  return text + " ".repeat(columns - displayWidth(text));
}

function errorSummary(error: unknown): object {
  return { code: error instanceof EngineError ? error.code : "BUG", message: describeFault(error) };
}
