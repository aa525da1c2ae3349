/**
 * Starts planned workflows in front of a person or a reader of lines, and accounts for them: what `hearth run` and `hearth retry` have in
 * common. stdout holds the runs.
 */
import { unreachable } from "../lib/unreachable.ts";
import { distinctFindings } from "../lint/finding.ts";
import type { Plan } from "../plan/plan.ts";
import type { ChosenProvider } from "../provider/choose-provider.ts";
import type { Selection } from "../select/select-workflows.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode, exitCodeOfError, exitCodeOfOutcome, worstExitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import { findingsTotal, withoutNotes } from "./finding-lines.ts";
import type { Hearth, RunOptions } from "./hearth.ts";
import { jobSummaryLines } from "./job-summaries.ts";
import { createJsonView } from "./json-view.ts";
import { paintLine } from "./line.ts";
import type { Line } from "./line.ts";
import { createLiveView } from "./live-view.ts";
import { createPlainView } from "./plain-view.ts";
import { runAll } from "./run-all.ts";
import type { RunResult } from "./run-all.ts";
import { annotationLines, failureLines } from "./run-report.ts";
import { jsonSummary, summaryLines } from "./run-summary.ts";
import type { SortedResults } from "./sort-results.ts";
import type { Terminal } from "./terminal.ts";

export interface ViewOptions {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

export interface StartWish {
  readonly selection: Selection;
  /** What is startable is started. */
  readonly sorted: SortedResults;
  readonly chosen: ChosenProvider;
  readonly view: ViewOptions;
  /** The same is expected to be run once more. */
  readonly again: boolean;
  readonly optionsOf: (plan: Plan) => OwnOptions;
}

/** What the selection does not say. */
type OwnOptions = Omit<
  RunOptions,
  "onEvent" | "provider" | "repository" | "vars" | "runners" | "environments" | "network"
>;

/** `nothing` where nothing is startable. */
export async function startRuns(
  hearth: Hearth,
  terminal: Terminal,
  { selection, sorted, chosen, view: options, again, optionsOf }: StartWish,
): Promise<ExitCode> {
  const plans = sorted.startable;
  if (options.json !== true) printHeader(terminal, selection, chosen, sorted);
  const view = createView(terminal, options, plans.length > 1);
  const { repository, vars, runners, environments, network } = selection;
  const { provider } = chosen;
  let results: readonly RunResult[];
  try {
    const ofAll = { provider, repository, vars, runners, environments, network };
    results = await runAll(hearth, terminal, view, plans, (plan) => ({ ...ofAll, ...optionsOf(plan) }), again);
  } finally {
    view.close();
  }
  await report(terminal, results, options.json === true);
  return worstExitCode(results.map(exitCodeOfResult));
}

function printHeader(
  { out }: Terminal,
  { event, results, findings, network }: Selection,
  { provider, isolation, why }: ChosenProvider,
  { startable, passedOver }: SortedResults,
): void {
  const { bold, dim, green, yellow } = out.colors;
  const paint = provider.capabilities.isolation === "none" ? yellow : green;
  const count = counted(startable.length, "workflow");
  const others = passedOver.length === 0 ? "" : `, ${passedOver.length} not triggered`;
  out.write(`${bold(plainText(`${event.name} ${event.ref} ${event.sha.slice(0, 7)}`))}  ${count}${dim(others)}\n`);
  out.write(`${provider.name}: ${paint(isolation)}${dim(`, ${plainText(why)}`)}\n`);
  if (network.length > 0) out.write(dim(`hearth.yml lets machines reach ${plainText(network.join(", "))}\n`));
  const found = withoutNotes(distinctFindings(findings.filter((_, index) => results[index]?.kind === "planned")));
  if (found.length > 0) out.write(dim(`${findingsTotal(found)}; hearth lint shows them\n`));
  out.write("\n");
}

function createView(terminal: Terminal, { json, verbose }: ViewOptions, several: boolean) {
  if (json === true) return createJsonView(terminal);
  return terminal.live ? createLiveView(terminal) : createPlainView(terminal, { verbose: verbose === true, several });
}

async function report(terminal: Terminal, results: readonly RunResult[], json: boolean): Promise<void> {
  const { out, err } = terminal;
  if (json) {
    for (const line of failureLines(results.filter(({ kind }) => kind === "not_started"))) {
      err.write(`${paintLine(line, err.colors)}\n`);
    }
    for (const result of results) out.write(`${JSON.stringify(jsonSummary(result))}\n`);
    return;
  }
  out.write("\n");
  const summaries = await summariesOf(terminal, results);
  for (const line of [...annotationLines(results), ...summaries, ...failureLines(results), ...summaryLines(results)]) {
    out.write(`${paintLine(line, out.colors)}\n`);
  }
}

/** Of each job enough to see what it is about. */
const SUMMARY_LINES = 40;

async function summariesOf(terminal: Terminal, results: readonly RunResult[]): Promise<readonly Line[]> {
  const lines: Line[] = [];
  for (const result of results) {
    if (result.kind !== "ended") continue;
    const { label, record } = result.watch;
    const limit = { lines: SUMMARY_LINES, rest: `hearth logs --summary ${result.run}` };
    lines.push(...(await jobSummaryLines(record, terminal, { label, limit })));
  }
  return lines;
}

function exitCodeOfResult(result: RunResult): ExitCode {
  switch (result.kind) {
    case "ended":
      return exitCodeOfOutcome(result.outcome);
    case "not_started":
      return exitCodeOfError(result.error);
    case "not_reached":
      return exitCode.cancelled;
    default:
      return unreachable(result);
  }
}
