/**
 * What is left to say about runs when they have ended: annotations, what went wrong that is no step, and the last lines of
 * failed steps with the way to the rest. Pure: results in, lines out.
 */
import { EngineError } from "../lib/engine-error.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { JobRecord, StepRecord } from "../store/run-record.ts";
import { plainLines, plainText } from "./display-text.ts";
import { span } from "./line.ts";
import type { Line } from "./line.ts";
import { fateText, isFailed } from "./record-lines.ts";
import type { RunResult } from "./run-all.ts";
import type { RunWatch } from "./run-watch.ts";
import { workflowLabel } from "./workflow-label.ts";

export function annotationLines(results: readonly RunResult[]): Line[] {
  const lines = results.flatMap((result) => (result.kind === "ended" ? runAnnotations(result.watch) : []));
  return lines.length === 0 ? [] : [[span("Annotations", "bold")], ...lines, []];
}

export function failureLines(results: readonly RunResult[]): Line[] {
  return results.flatMap((result) => {
    switch (result.kind) {
      case "ended":
        return [...troubleLines(result), ...failedStepLines(result.watch, result.run)];
      case "not_started":
        return trouble(workflowLabel(result.plan.workflow.path), describeFault(result.error), hintOf(result.error));
      case "not_reached":
        return [];
      default:
        return unreachable(result);
    }
  });
}

function runAnnotations({ label, record }: RunWatch): Line[] {
  return record.annotations.flatMap(({ job, step, annotation }) => {
    const { level, file, line, column, title, message } = annotation;
    const place = [file, line, column].filter((part) => part !== undefined).join(":");
    const head = [title, ...message.split("\n").slice(0, 1)]
      .filter((part) => part !== undefined && part !== "")
      .join(": ");
    const name =
      record.jobs.find((known) => known.job === job)?.steps.find((known) => known.step === step)?.name ?? step;
    return [
      [
        span(`  ${level} `, level === "error" ? "red" : level === "warning" ? "yellow" : "cyan"),
        span(plainText([place, head].filter((part) => part !== "").join(": "))),
        span(plainText(`  (${label}, ${job}, ${name})`), "dim"),
      ],
      ...message
        .split("\n")
        .slice(1)
        .map((more) => [span(`    ${plainText(more)}`)]),
    ];
  });
}

function failedStepLines({ label, record, tailOf }: RunWatch, run: string): Line[] {
  return record.jobs.flatMap((job) =>
    job.steps.filter(isFailed).flatMap((step) => {
      const canGoBack = record.checkpoints.some((kept) => kept.job === job.job && kept.before <= Number(step.step));
      return failedStep(label, run, job, step, { tailOf, canGoBack });
    }),
  );
}

function failedStep(
  label: string,
  run: string,
  { job }: JobRecord,
  step: StepRecord,
  { tailOf, canGoBack }: Pick<RunWatch, "tailOf"> & { readonly canGoBack: boolean },
): Line[] {
  if (step.state.status !== "completed") return [];
  const { fate, durationMs } = step.state;
  const place = `--job ${quote(plainText(job))} --step ${quote(plainText(step.step))}`;
  const message =
    fate.kind === "ran" && fate.message !== undefined ? [[span(`  ${plainText(fate.message)}`, "red")]] : [];
  return [
    [span(plainText(`${label}, ${job}, ${step.name}`), "bold"), span(`: ${fateText(fate, durationMs)}`, "red")],
    ...(tailOf(job, step.step)?.last ?? []).map((line) => [span("  │ ", "dim"), span(line)]),
    ...message,
    wayOn("The whole log", `hearth logs ${run} ${place}`),
    ...(canGoBack
      ? [
          wayOn("A shell before it", `hearth rewind ${run} --job ${quote(plainText(job))} --to ${step.step}`),
          wayOn("On from it", `hearth retry ${run} --job ${quote(plainText(job))} --from ${step.step}`),
        ]
      : []),
    [],
  ];
}

function wayOn(what: string, command: string): Line {
  return [span(`  ${what}: ${command}`, "dim")];
}

function troubleLines({ watch, outcome }: Extract<RunResult, { kind: "ended" }>): Line[] {
  const { label, record } = watch;
  if (outcome.error !== undefined) return trouble(label, `${outcome.error.code}: ${outcome.error.message}`, undefined);
  // A job can fail or be cancelled by something that is none of its steps: its time, its machine, its matrix.
  return record.jobs.flatMap(({ job, state }) =>
    state.status === "completed" &&
    state.reason !== undefined &&
    state.conclusion !== "skipped" &&
    state.conclusion !== "success"
      ? trouble(`${label}, ${job}`, `${state.conclusion}: ${state.reason}`, undefined)
      : [],
  );
}

function trouble(place: string, message: string, hint: string | undefined): Line[] {
  const [first = "", ...more] = plainLines(message);
  return [
    [span(plainText(place), "bold"), span(`: ${first}`, "red")],
    ...more.map((line) => [span(`  ${line}`)]),
    ...(hint === undefined ? [] : [[span(`  ${plainText(hint)}`)]]),
    [],
  ];
}

export function describeFault(error: unknown): string {
  if (error instanceof EngineError) return error.message;
  return `a fault in Hearth: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

function hintOf(error: unknown): string | undefined {
  return error instanceof EngineError ? error.hint : undefined;
}

/** For a POSIX shell, so that the line can be pasted. */
function quote(word: string): string {
  return /^[\w./:@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
