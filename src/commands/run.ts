/**
 * `hearth run`: select, refuse what cannot run before any machine is asked for, run the rest in parallel, and account for it.
 * stdout holds the runs; what was refused, and why, goes to stderr.
 */
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { overlay } from "../lib/overlay.ts";
import { unreachable } from "../lib/unreachable.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { exitCode, exitCodeOfError, exitCodeOfOutcome, worstExitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import { findingsTotal, withoutNotes } from "./finding-lines.ts";
import type { ChosenProvider } from "../provider/choose-provider.ts";
import { distinctFindings } from "../lint/finding.ts";
import type { Selection } from "../select/select-workflows.ts";
import type { Hearth, RunOptions } from "./hearth.ts";
import { jobSummaryLines } from "./job-summaries.ts";
import { createJsonView } from "./json-view.ts";
import { paintLine } from "./line.ts";
import type { Line } from "./line.ts";
import { createLiveView } from "./live-view.ts";
import { isGraphFormat, isRunPrefix, splitOptionalValue } from "./optional-value.ts";
import type { OptionalValue } from "./optional-value.ts";
import { createPlainView } from "./plain-view.ts";
import { readEnv, readSecrets, selectRequest } from "./request.ts";
import type { EnvOptions, SecretOptions, SelectionOptions } from "./request.ts";
import { rerunFailed, selectionOfRun } from "./rerun-failed.ts";
import { runAll } from "./run-all.ts";
import type { RunOnce } from "./run-on-changes.ts";
import type { RunResult } from "./run-all.ts";
import { annotationLines, failureLines } from "./run-report.ts";
import { jsonSummary, summaryLines } from "./run-summary.ts";
import { showSelection } from "./show-selection.ts";
import type { ShowOptions } from "./show-selection.ts";
import { exitCodeOfRefused, sortResults } from "./sort-results.ts";
import type { SortedResults } from "./sort-results.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export interface RunCommandOptions extends SelectionOptions, SecretOptions, EnvOptions, ShowOptions {
  readonly machinePer: "workflow" | "job";
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly watch?: boolean;
  /** Of which run: undefined or `true` is the latest of each workflow. */
  readonly failed?: OptionalValue;
}

export async function run(
  hearth: Hearth,
  terminal: Terminal,
  typedPath: string | undefined,
  options: RunCommandOptions,
): Promise<ExitCode> {
  const graph = splitOptionalValue(typedPath, options.graph, { option: "--graph", isValue: isGraphFormat });
  const failed = splitOptionalValue(graph.path, options.failed, { option: "--failed", isValue: isRunPrefix });
  const wish = { path: failed.path, options: { ...options, graph: graph.value, failed: failed.value } };
  const secrets = await readSecrets(options, terminal);
  try {
    if (options.watch !== true) return (await runOnce(hearth, terminal, wish, secrets)).code;
    const { runOnChanges } = await import("./run-on-changes.ts");
    return await runOnChanges(hearth, terminal, (noticing) => runOnce(hearth, noticing, wish, secrets));
  } finally {
    await hearth.close();
  }
}

/** `--list` and `--graph` run nothing, so they need nothing fetched. */
function showsOnly({ list, graph }: RunCommandOptions): boolean {
  return list === true || graph !== undefined;
}

interface RunWish {
  readonly path: string | undefined;
  readonly options: RunCommandOptions;
}

async function runOnce(
  hearth: Hearth,
  terminal: Terminal,
  { path, options }: RunWish,
  secrets: RunOptions["secrets"],
): Promise<RunOnce> {
  const named = typeof options.failed === "string" ? options.failed : undefined;
  const ofRun = named === undefined ? undefined : await selectionOfRun(hearth.store, named);
  const wished = await selectRequest(path ?? ofRun?.path, { ...options, event: options.event ?? ofRun?.event });
  const onProgress = (line: string): void => terminal.err.write(`${plainText(line)}\n`);
  const fetch = !showsOnly(options);
  // A plan that is only shown sends nothing to a model.
  const translate = fetch ? (wished.translate ?? "models") : wished.translate;
  const kept = { githubToken: secrets["GITHUB_TOKEN"], secrets: Object.values(secrets) };
  const request = { ...wished, ...kept, fetch, translate, onProgress };
  const env = await readEnv(options);
  const selection = await hearth.select(request);
  const { repository } = selection;
  const shown = await showSelection(terminal, selection, options);
  if (shown !== undefined) return { code: shown, repository };

  for (const warning of selection.warnings) terminal.err.write(`${plainText(formatDiagnostic(warning))}\n`);
  const sorted = sortResults(selection.results);
  reportRefused(terminal, sorted, options.json === true);
  const refusedCode = exitCodeOfRefused(sorted.refused);
  if (sorted.refused.some(({ usage }) => usage)) {
    // A mistyped input must not deploy what takes it while another workflow does not.
    if (sorted.startable.length > 0) terminal.err.write("Nothing was started. One workflow: name its file.\n");
    return { code: refusedCode, repository };
  }
  if (sorted.startable.length === 0) {
    reportNothing(terminal, selection, sorted);
    return { code: refusedCode, repository };
  }
  const reruns =
    options.failed === undefined
      ? undefined
      : await rerunFailed(hearth.store, terminal, sorted.startable, selection, named);
  const plans = reruns?.map(({ plan }) => plan) ?? sorted.startable;
  if (plans.length === 0) return { code: refusedCode, repository };

  const chosen = await hearth.chooseProvider();
  if (options.json !== true) printHeader(terminal, selection, chosen, { ...sorted, startable: plans });
  const view = createView(terminal, options, plans.length > 1);
  let results: readonly RunResult[];
  try {
    results = await runAll(
      hearth,
      terminal,
      view,
      plans,
      (plan) => ({
        provider: chosen.provider,
        repository,
        secrets: overlay(selection.secrets, secrets),
        vars: selection.vars,
        env,
        machinePer: options.machinePer,
        runners: selection.runners,
        environments: selection.environments,
        network: selection.network,
        skipUnsupported: request.skipUnsupported,
        earlier: reruns?.find((rerun) => rerun.plan === plan)?.earlier,
      }),
      options.watch === true,
    );
  } finally {
    view.close();
  }
  await report(terminal, results, options.json === true);
  return { code: worstExitCode([refusedCode, ...results.map(exitCodeOfResult)]), repository };
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

function reportNothing({ err }: Terminal, { event }: Selection, { refused, passedOver }: SortedResults): void {
  for (const { path, reason } of passedOver) err.write(`${plainText(`${workflowLabel(path)} ${reason}`)}\n`);
  if (refused.length > 0) return;
  err.write(`Nothing to run: no workflow is triggered by ${plainText(event.name)}. Another event: --event NAME.\n`);
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

function createView(terminal: Terminal, { json, verbose }: RunCommandOptions, several: boolean) {
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
