/**
 * `--list` and `--graph`: the selected workflows at a glance, without running anything. A file that cannot be read stands among
 * the others with what is wrong with it. Exit code: 0, or as `hearth plan` where a file is refused.
 */
import { formatDiagnostic } from "../lib/diagnostic.ts";
import type { Plan, PlanResult } from "../plan/plan.ts";
import type { Selection } from "../select/select-workflows.ts";
import type { Trigger } from "../workflow/workflow.ts";
import { minuteText } from "./cell-text.ts";
import { plainText } from "./display-text.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import { stagesOf } from "./job-graph.ts";
import type { OptionalValue } from "./optional-value.ts";
import { paintLine } from "./line.ts";
import { exitCodeOfRefused, lacksSelected } from "./sort-results.ts";
import { alignColumns } from "./table.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export interface ShowOptions {
  readonly list?: boolean;
  readonly graph?: OptionalValue;
}

/** Undefined: neither was asked for. */
export async function showSelection(
  terminal: Terminal,
  { results }: Selection,
  { list, graph }: ShowOptions,
): Promise<ExitCode | undefined> {
  if (list !== true && graph === undefined) return undefined;
  const refused = results.filter((result) => result.kind === "refused").filter((one) => !lacksSelected(one, results));
  for (const result of refused) reportRefused(terminal, result);
  const readable = results.filter((result) => result.kind !== "refused");
  if (list === true) for (const result of readable) await listWorkflow(terminal, result);
  if (graph === "svg") await writeSvg(terminal, readable);
  else if (graph !== undefined) await writeGraphs(terminal, readable);
  if (refused.length === 0) return exitCode.success;
  return exitCodeOfRefused(refused.map(({ fault }) => ({ usage: fault !== undefined })));
}

type Refused = Extract<PlanResult, { kind: "refused" }>;
type Readable = Exclude<PlanResult, Refused>;

function reportRefused({ err }: Terminal, { path, diagnostics }: Refused): void {
  err.write(`${err.colors.bold(plainText(workflowLabel(path)))}  ${err.colors.red("refused")}\n`);
  for (const diagnostic of diagnostics) err.write(`  ${plainText(formatDiagnostic(diagnostic))}\n`);
}

async function listWorkflow(terminal: Terminal, result: Readable): Promise<void> {
  const { out } = terminal;
  const { plan } = result;
  const { bold, dim } = out.colors;
  const triggers = await Promise.all(plan.workflow.triggers.map((trigger) => triggerText(trigger, terminal.now())));
  const state = result.kind === "planned" ? "" : `  not triggered by ${plan.event.name}`;
  out.write(`${bold(titleOf(plan))}${dim(plainText(`  on ${triggers.join(", ")}${state}`))}\n`);
  const rows = stagesOf(plan).flatMap((jobs, index) =>
    jobs.map(({ id, needs, cells, calls }) => [
      `  ${index + 1}`,
      plainText(id),
      cells,
      calls === undefined ? "" : `→ ${plainText(calls.uses)}`,
      needs.length === 0 ? "" : `needs ${plainText(needs.join(", "))}`,
    ]),
  );
  const isUsed = (_: string, column: number): boolean => rows.some((row) => row[column] !== "");
  for (const line of alignColumns(rows.map((row) => row.filter(isUsed)))) out.write(`${line}\n`);
  out.write("\n");
}

/** `schedule (0 3 * * *, next 2026-11-23 03:00 UTC)`. The clock of schedules is loaded for those that have one. */
async function triggerText({ event, schedules }: Trigger, nowMs: number): Promise<string> {
  if (schedules === undefined) return event;
  const { nextRun } = await import("../select/next-run.ts");
  const entries = schedules.map(({ cron, timezone }) => {
    const next = nextRun(cron, timezone, new Date(nowMs));
    const due = next === undefined ? "never" : `next ${minuteText(next.toISOString())} UTC`;
    return `${cron}${timezone === undefined ? "" : ` ${timezone}`}, ${due}`;
  });
  return `${event} (${entries.join("; ")})`;
}

async function writeGraphs({ out }: Terminal, results: readonly Readable[]): Promise<void> {
  const { graphLines } = await import("./graph-text.ts");
  for (const { plan } of results) {
    out.write(`${out.colors.bold(titleOf(plan))}\n`);
    for (const line of graphLines(stagesOf(plan))) out.write(`${paintLine(line, out.colors)}\n`);
    out.write("\n");
  }
}

async function writeSvg({ out }: Terminal, results: readonly Readable[]): Promise<void> {
  const { graphSvg } = await import("./graph-svg.ts");
  out.write(graphSvg(results.map(({ plan }) => ({ title: titleOf(plan), stages: stagesOf(plan) }))));
}

/** `ci.yml  CI`. */
function titleOf({ workflow }: Plan): string {
  const label = workflowLabel(workflow.path);
  return plainText(workflow.name === undefined ? label : `${label}  ${workflow.name}`);
}
