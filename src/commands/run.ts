/**
 * `hearth run`: select, refuse what cannot run before any machine is asked for, run the rest in parallel, and account for it.
 * stdout holds the runs; what was refused, and why, goes to stderr.
 */
import { formatDiagnostic } from "../lib/diagnostic.ts";
import type { Diagnostic } from "../lib/diagnostic.ts";
import { unreachable } from "../lib/unreachable.ts";
import type { Plan, PlanResult } from "../plan/plan.ts";
import { blockersOf } from "./blockers.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode, exitCodeOfError, exitCodeOfOutcome, worstExitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { ChosenProvider } from "../provider/choose-provider.ts";
import type { Selection } from "../select/select-workflows.ts";
import type { Hearth } from "./hearth.ts";
import { createJsonView } from "./json-view.ts";
import { paintLine } from "./line.ts";
import { createLiveView } from "./live-view.ts";
import type { Pair } from "./pairs.ts";
import { toRecord } from "./pairs.ts";
import { createPlainView } from "./plain-view.ts";
import { readSecrets, selectRequest } from "./request.ts";
import type { SecretOptions, SelectionOptions } from "./request.ts";
import { runAll } from "./run-all.ts";
import type { RunResult } from "./run-all.ts";
import { annotationLines, failureLines } from "./run-report.ts";
import { jsonSummary, summaryLines } from "./run-summary.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export interface RunCommandOptions extends SelectionOptions, SecretOptions {
  readonly env?: readonly Pair[];
  readonly machinePer: "workflow" | "job";
  readonly json?: boolean;
  readonly verbose?: boolean;
}

export async function run(
  hearth: Hearth,
  terminal: Terminal,
  path: string | undefined,
  options: RunCommandOptions,
): Promise<ExitCode> {
  const request = await selectRequest(path, options);
  const secrets = await readSecrets(options, terminal);
  const selection = await hearth.select(request);
  const sorted = sortResults(selection.results);
  reportRefused(terminal, sorted, options.json === true);
  const refusedCode = sorted.refused.length > 0 ? exitCode.workflow : exitCode.nothing;
  if (sorted.startable.length === 0) {
    reportNothing(terminal, selection, sorted);
    return refusedCode;
  }

  const chosen = await hearth.chooseProvider();
  if (options.json !== true) printHeader(terminal, selection, chosen, sorted);
  const view = createView(terminal, options, sorted.startable.length > 1);
  let results: readonly RunResult[];
  try {
    results = await runAll(hearth, terminal, view, sorted.startable, {
      provider: chosen.provider,
      repository: selection.repository,
      secrets,
      vars: request.vars,
      env: toRecord(options.env),
      machinePer: options.machinePer,
      runners: selection.runners,
      environments: selection.environments,
      earlier: undefined,
    });
  } finally {
    view.close();
  }
  report(terminal, results, options.json === true);
  return worstExitCode([refusedCode, ...results.map(exitCodeOfResult)]);
}

interface SortedResults {
  readonly startable: readonly Plan[];
  readonly refused: readonly { readonly path: string; readonly blockers: readonly Diagnostic[] }[];
  readonly notTriggered: readonly { readonly path: string; readonly reason: string }[];
  readonly warnings: readonly Diagnostic[];
}

function sortResults(results: readonly PlanResult[]): SortedResults {
  const startable: Plan[] = [];
  const refused: SortedResults["refused"][number][] = [];
  const notTriggered: SortedResults["notTriggered"][number][] = [];
  const warnings: Diagnostic[] = [];
  for (const result of results) {
    if (result.kind === "not_triggered") {
      notTriggered.push({ path: result.plan.workflow.path, reason: result.reason });
      continue;
    }
    const blockers = blockersOf(result);
    if (result.kind === "refused") refused.push({ path: result.path, blockers });
    else if (blockers.length > 0) refused.push({ path: result.plan.workflow.path, blockers });
    else startable.push(result.plan);
    if (result.kind === "planned") warnings.push(...result.warnings.filter(({ kind }) => kind === "warning"));
  }
  return { startable, refused, notTriggered, warnings };
}

function reportRefused({ out, err }: Terminal, { refused, warnings }: SortedResults, json: boolean): void {
  for (const warning of warnings) err.write(`${plainText(formatDiagnostic(warning))}\n`);
  for (const { path, blockers } of refused) {
    for (const blocker of blockers) err.write(`${plainText(formatDiagnostic(blocker))}\n`);
    err.write(`${err.colors.red(`${plainText(workflowLabel(path))} refused`)}: nothing of it was started\n`);
    if (json) {
      out.write(
        `${JSON.stringify({ type: "summary", workflow: path, conclusion: "refused", diagnostics: blockers })}\n`,
      );
    }
  }
}

function reportNothing({ err }: Terminal, { event }: Selection, { refused, notTriggered }: SortedResults): void {
  for (const { path, reason } of notTriggered)
    err.write(`${plainText(workflowLabel(path))} not triggered: ${plainText(reason)}\n`);
  if (refused.length > 0) return;
  err.write(`Nothing to run: no workflow is triggered by ${plainText(event.name)}. Another event: --event NAME.\n`);
}

function printHeader(
  { out }: Terminal,
  { event }: Selection,
  { provider, isolation, why }: ChosenProvider,
  { startable, notTriggered }: SortedResults,
): void {
  const { bold, dim, green, yellow } = out.colors;
  const paint = provider.capabilities.isolation === "none" ? yellow : green;
  const count = counted(startable.length, "workflow");
  const others = notTriggered.length === 0 ? "" : `, ${notTriggered.length} not triggered`;
  out.write(`${bold(plainText(`${event.name} ${event.ref} ${event.sha.slice(0, 7)}`))}  ${count}${dim(others)}\n`);
  out.write(`${provider.name}: ${paint(isolation)}${dim(`, ${plainText(why)}`)}\n\n`);
}

function createView(terminal: Terminal, { json, verbose }: RunCommandOptions, several: boolean) {
  if (json === true) return createJsonView(terminal);
  return terminal.live ? createLiveView(terminal) : createPlainView(terminal, { verbose: verbose === true, several });
}

function report({ out, err }: Terminal, results: readonly RunResult[], json: boolean): void {
  if (json) {
    for (const line of failureLines(results.filter(({ kind }) => kind === "not_started"))) {
      err.write(`${paintLine(line, err.colors)}\n`);
    }
    for (const result of results) out.write(`${JSON.stringify(jsonSummary(result))}\n`);
    return;
  }
  out.write("\n");
  for (const line of [...annotationLines(results), ...failureLines(results), ...summaryLines(results)]) {
    out.write(`${paintLine(line, out.colors)}\n`);
  }
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
