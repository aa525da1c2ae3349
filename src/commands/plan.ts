/**
 * `hearth plan`: what `hearth run` would do, without doing it. Every file is shown, a broken one with what is wrong with it
 * among the others; the last line is the sum over all of them.
 */
import { translatedText } from "../action/translated-way.ts";
import { countLeftOut } from "../plan/leave-out.ts";
import { plainStepName } from "../engine/step-name.ts";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { Plan, PlannedJob, PlannedStep, PlanResult, RemoteAction, Way } from "../plan/plan.ts";
import { blockersOf, unsupportedWays } from "./blockers.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode, worstExitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import { distinctFindings } from "../lint/finding.ts";
import type { Finding } from "../lint/finding.ts";
import { findingLine, findingsTotal, withoutNotes } from "./finding-lines.ts";
import type { Selection } from "../select/select-workflows.ts";
import type { Hearth } from "./hearth.ts";
import { isGraphFormat, splitOptionalValue } from "./optional-value.ts";
import { planDocument } from "./plan-document.ts";
import { selectRequest } from "./request.ts";
import type { SelectionOptions } from "./request.ts";
import { showSelection } from "./show-selection.ts";
import type { ShowOptions } from "./show-selection.ts";
import { exitCodeOfRefused, lacksSelected, sortResults } from "./sort-results.ts";
import type { Output, Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export interface PlanCommandOptions extends SelectionOptions, ShowOptions {
  readonly json?: boolean;
}

export async function plan(
  hearth: Hearth,
  terminal: Terminal,
  typedPath: string | undefined,
  options: PlanCommandOptions,
): Promise<ExitCode> {
  const { out } = terminal;
  const graph = splitOptionalValue(typedPath, options.graph, { option: "--graph", isValue: isGraphFormat });
  const request = await selectRequest(graph.path, options);
  const onProgress = (line: string): void => terminal.err.write(`${plainText(line)}\n`);
  const selection = await hearth.select({ ...request, onProgress });
  for (const warning of selection.warnings) terminal.err.write(`${plainText(formatDiagnostic(warning))}\n`);
  const shown = await showSelection(terminal, selection, { ...options, graph: graph.value });
  if (shown !== undefined) return shown;
  if (options.json === true) out.write(`${JSON.stringify(planDocument(selection), undefined, 2)}\n`);
  else printPlan(out, selection, options);
  const { startable, refused } = sortResults(selection.results);
  return worstExitCode([exitCodeOfRefused(refused), ...startable.map(exitCodeOfStartable)]);
}

function exitCodeOfStartable(plan: Plan): ExitCode {
  return countLeftOut(plan) > 0 ? exitCode.leftOut : exitCode.success;
}

function printPlan(out: Output, { results, findings }: Selection, { strict }: PlanCommandOptions): void {
  for (const [index, result] of results.entries()) {
    printResult(out, result, lacksSelected(result, results));
    // With --strict the errors are among the result's diagnostics.
    const shown = withoutNotes(findings[index] ?? []).filter(({ severity }) => severity !== "error" || strict !== true);
    if (result.kind === "planned") printFindings(out, shown);
    out.write("\n");
  }
  const held = results.flatMap(blockedCount).filter((count) => count > 0);
  if (held.length > 0) {
    out.write(`${counted(held.length, "workflow")} cannot run here (${counted(sum(held), "place")} in the way), `);
    out.write("`hearth run` refuses them; `refused` below are those that cannot be read\n");
  }
  const leftOut = sum(results.map((result) => (result.kind === "planned" ? countLeftOut(result.plan) : 0)));
  if (leftOut > 0) out.write(`${counted(leftOut, "job")} left out as unsupported\n`);
  const found = distinctFindings(findings);
  if (found.length > 0) out.write(`${findingsTotal(found)}; hearth lint shows them all\n`);
  out.write(`${totalsLine(results)}\n`);
}

function printFindings(out: Output, findings: readonly Finding[]): void {
  for (const finding of findings) out.write(`  ${out.colors.dim(findingLine(finding))}\n`);
}

/** `30 workflows  110 jobs  733 steps  1 refused`: jobs and steps that the readable files declare, whatever triggers them. */
function totalsLine(results: readonly PlanResult[]): string {
  const workflows = results.flatMap((result) => (result.kind === "refused" ? [] : [result.plan.workflow]));
  const refused = results.filter((result) => result.kind === "refused" && !lacksSelected(result, results));
  return [
    counted(results.length, "workflow"),
    counted(sum(workflows.map(({ jobs }) => jobs.length)), "job"),
    counted(sum(workflows.map(({ declaredSteps }) => declaredSteps)), "step"),
    `${refused.length} refused`,
  ].join("  ");
}

function printResult(out: Output, result: PlanResult, isPassedOver: boolean): void {
  const { bold, dim, red, yellow } = out.colors;
  switch (result.kind) {
    case "refused": {
      const label = plainText(workflowLabel(result.path));
      if (isPassedOver) {
        out.write(dim(`${label}  not selected: ${plainText(result.diagnostics[0]?.message ?? "")}\n`));
        return;
      }
      out.write(`${bold(label)}  ${red("refused")}\n`);
      for (const diagnostic of result.diagnostics) out.write(`  ${plainText(formatDiagnostic(diagnostic))}\n`);
      return;
    }
    case "not_triggered":
      out.write(`${dim(`${planTitle(result.plan)}  not triggered: ${plainText(result.reason)}`)}\n`);
      return;
    case "planned": {
      const blocked = blockersOf(result).length === 0 ? "" : `  ${red("cannot run here")}`;
      out.write(`${bold(planTitle(result.plan))}${blocked}\n`);
      for (const warning of result.warnings) {
        const paint = warning.kind === "warning" ? yellow : red;
        out.write(`  ${paint(plainText(formatDiagnostic(warning)))}\n`);
      }
      for (const job of result.plan.jobs) printJob(out, job, "  ");
      return;
    }
    default:
      unreachable(result);
  }
}

function planTitle({ workflow, declaredSteps, heldSteps }: Plan): string {
  const label = plainText(workflowLabel(workflow.path));
  return `${label}  ${counted(workflow.jobs.length, "job")}  ${heldSteps}/${declaredSteps} steps held`;
}

/** The jobs of a called workflow stand below the job that calls it. */
function printJob(out: Output, planned: PlannedJob, indent: string): void {
  const { job, cells, steps, called } = planned;
  const { dim, red, yellow } = out.colors;
  const needs = job.needs.length === 0 ? "" : dim(`  needs ${plainText(job.needs.join(", "))}`);
  out.write(
    `${indent}${plainText(job.id)}${needs}${dim(cellsText(cells))}${isLeftOut(planned) ? yellow("  left out") : ""}\n`,
  );
  if (job.kind === "call") {
    out.write(`${indent}  calls ${plainText(job.uses)}\n`);
    if (called?.kind === "called") for (const inner of called.plan.jobs) printJob(out, inner, `${indent}    `);
  }
  for (const step of steps) {
    const way = unsupportedWays(step.way).length > 0 ? red(wayText(step.way)) : dim(wayText(step.way));
    out.write(`${indent}  ${String(step.step.number).padStart(2)}  ${stepName(step)}  ${way}\n`);
  }
}

/** As a whole; a matrix of which some cells run shows which do not. */
function isLeftOut({ cells, unsupported }: PlannedJob): boolean {
  return unsupported !== undefined || (cells !== "dynamic" && cells.every((cell) => cell.unsupported !== undefined));
}

function cellsText(cells: PlannedJob["cells"]): string {
  if (cells === "dynamic") return "  matrix known when its needs have ended";
  if (cells.every(({ label }) => label === "")) return "";
  const labels = cells.slice(0, 8).map(({ label, unsupported }) => {
    return `(${plainText(label)}${unsupported === undefined ? "" : ", left out"})`;
  });
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
      return `javascript (${plainText(way.using)})${commitText(way.action)}`;
    case "composite": {
      const [unsupported] = unsupportedWays(way);
      return `composite, ${counted(way.steps.length, "step")}${commitText(way.action)}${unsupported === undefined ? "" : `; ${wayText(unsupported)}`}`;
    }
    case "translated":
      return `${plainText(translatedText(way.by))}, ${counted(way.steps.length, "step")}`;
    case "local":
      return `local ${plainText(way.path)}, read when it is reached`;
    case "unsupported":
      return `unsupported: ${plainText(way.what)}`;
    default:
      return unreachable(way);
  }
}

/** The reference stands in the step; what it means is what matters here. */
function commitText(action: RemoteAction | undefined): string {
  return action === undefined ? "" : ` at ${action.sha.slice(0, 12)}`;
}

function blockedCount(result: PlanResult): number {
  return result.kind === "planned" ? blockersOf(result).length : 0;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
