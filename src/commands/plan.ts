/**
 * `hearth plan`: what `hearth run` would do, without doing it. Every file is shown, a broken one with what is wrong with it
 * among the others; the last line is the sum over all of them.
 */
import { plainStepName } from "../engine/step-name.ts";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { Plan, PlannedJob, PlannedStep, PlanResult, Way } from "../plan/plan.ts";
import { blockersOf, unsupportedWays } from "./blockers.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode, worstExitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Selection } from "../select/select-workflows.ts";
import type { Hearth } from "./hearth.ts";
import { planDocument } from "./plan-document.ts";
import { selectRequest } from "./request.ts";
import type { SelectionOptions } from "./request.ts";
import type { Output, Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export interface PlanCommandOptions extends SelectionOptions {
  readonly json?: boolean;
}

export async function plan(
  hearth: Hearth,
  { out }: Terminal,
  path: string | undefined,
  options: PlanCommandOptions,
): Promise<ExitCode> {
  const selection = await hearth.select(await selectRequest(path, options));
  if (options.json === true) out.write(`${JSON.stringify(planDocument(selection), undefined, 2)}\n`);
  else printPlan(out, selection);
  return worstExitCode(selection.results.map(exitCodeOfResult));
}

/** As `hearth run` would answer: not triggered is nothing, anything in the way is a bad workflow. */
function exitCodeOfResult(result: PlanResult): ExitCode {
  if (result.kind === "not_triggered") return exitCode.nothing;
  return blockersOf(result).length > 0 ? exitCode.workflow : exitCode.success;
}

function printPlan(out: Output, { results }: Selection): void {
  for (const result of results) {
    printResult(out, result);
    out.write("\n");
  }
  const unsupported = results.flatMap(unsupportedCount).filter((count) => count > 0);
  if (unsupported.length > 0) {
    out.write(`${counted(sum(unsupported), "step")} unsupported in ${counted(unsupported.length, "workflow")}\n`);
  }
  out.write(`${totalsLine(results)}\n`);
}

/** `30 workflows  110 jobs  733 steps  1 refused`: jobs and steps that the readable files declare, whatever triggers them. */
function totalsLine(results: readonly PlanResult[]): string {
  const workflows = results.flatMap((result) => (result.kind === "refused" ? [] : [result.plan]));
  return [
    counted(results.length, "workflow"),
    counted(sum(workflows.map(({ workflow }) => workflow.jobs.length)), "job"),
    counted(sum(workflows.map(({ declaredSteps }) => declaredSteps)), "step"),
    `${results.length - workflows.length} refused`,
  ].join("  ");
}

function printResult(out: Output, result: PlanResult): void {
  const { bold, dim, red, yellow } = out.colors;
  switch (result.kind) {
    case "refused":
      out.write(`${bold(plainText(workflowLabel(result.path)))}  ${red("refused")}\n`);
      for (const diagnostic of result.diagnostics) out.write(`  ${plainText(formatDiagnostic(diagnostic))}\n`);
      return;
    case "not_triggered":
      out.write(`${dim(`${planTitle(result.plan)}  not triggered: ${plainText(result.reason)}`)}\n`);
      return;
    case "planned":
      out.write(`${bold(planTitle(result.plan))}\n`);
      for (const warning of result.warnings) out.write(`  ${yellow(plainText(formatDiagnostic(warning)))}\n`);
      for (const job of result.plan.jobs) printJob(out, job);
      return;
    default:
      unreachable(result);
  }
}

function planTitle({ workflow, declaredSteps, heldSteps }: Plan): string {
  const label = plainText(workflowLabel(workflow.path));
  return `${label}  ${counted(workflow.jobs.length, "job")}  ${heldSteps}/${declaredSteps} steps held`;
}

function printJob(out: Output, { job, cells, steps }: PlannedJob): void {
  const { dim, red } = out.colors;
  const needs = job.needs.length === 0 ? "" : dim(`  needs ${plainText(job.needs.join(", "))}`);
  out.write(`  ${plainText(job.id)}${needs}${dim(cellsText(cells))}\n`);
  if (job.kind === "call") out.write(`    calls ${plainText(job.uses)}\n`);
  for (const planned of steps) {
    const way = unsupportedWays(planned.way).length > 0 ? red(wayText(planned.way)) : dim(wayText(planned.way));
    out.write(`    ${String(planned.step.number).padStart(2)}  ${stepName(planned)}  ${way}\n`);
  }
}

function cellsText(cells: PlannedJob["cells"]): string {
  if (cells === "dynamic") return "  matrix known when its needs have ended";
  if (cells.every(({ label }) => label === "")) return "";
  const labels = cells.slice(0, 8).map(({ label }) => `(${plainText(label)})`);
  const more = cells.length > labels.length ? ` and ${cells.length - labels.length} more` : "";
  return `  ${counted(cells.length, "cell")}: ${labels.join(" ")}${more}`;
}

function stepName({ step }: PlannedStep): string {
  return plainText(plainStepName(step).split("\n", 1)[0] ?? "");
}

function wayText(way: Way): string {
  switch (way.kind) {
    case "run":
      return "run";
    case "control":
      return way.control;
    case "builtin":
      return `built-in ${way.builtin}`;
    case "javascript":
      return `javascript (${plainText(way.using)})`;
    case "composite": {
      const [unsupported] = unsupportedWays(way);
      return `composite, ${counted(way.steps.length, "step")}${unsupported === undefined ? "" : `; ${wayText(unsupported)}`}`;
    }
    case "local":
      return `local ${plainText(way.path)}, read when it is reached`;
    case "unsupported":
      return `unsupported: ${plainText(way.what)}; ${plainText(way.fix)}`;
    default:
      return unreachable(way);
  }
}

function unsupportedCount(result: PlanResult): number {
  if (result.kind !== "planned") return 0;
  return sum(result.plan.jobs.map(({ steps }) => steps.filter(({ way }) => unsupportedWays(way).length > 0).length));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
