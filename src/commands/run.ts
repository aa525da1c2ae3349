/**
 * `hearth run`: select, refuse what cannot run before any machine is asked for, run the rest in parallel, and account for it.
 * stdout holds the runs; what was refused, and why, goes to stderr.
 */
import { formatDiagnostic } from "../lib/diagnostic.ts";
import { EngineError } from "../lib/engine-error.ts";
import { overlay } from "../lib/overlay.ts";
import type { ChosenProvider } from "../provider/choose-provider.ts";
import { plainText } from "./display-text.ts";
import { worstExitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Selection } from "../select/select-workflows.ts";
import type { Hearth, RunOptions } from "./hearth.ts";
import { isGraphFormat, isRunPrefix, splitOptionalValue } from "./optional-value.ts";
import type { OptionalValue } from "./optional-value.ts";
import { readEnv, readSecrets, selectRequest } from "./request.ts";
import type { EnvOptions, SecretOptions, SelectionOptions } from "./request.ts";
import { reportRefused } from "./report-refused.ts";
import { rerunFailed, selectionOfRun } from "./rerun-failed.ts";
import type { RunOnce } from "./run-on-changes.ts";
import { showSelection } from "./show-selection.ts";
import type { ShowOptions } from "./show-selection.ts";
import { exitCodeOfRefused, sortResults } from "./sort-results.ts";
import { startRuns } from "./start-runs.ts";
import type { SortedResults } from "./sort-results.ts";
import type { Terminal } from "./terminal.ts";
import { workflowLabel } from "./workflow-label.ts";

export interface RunCommandOptions extends SelectionOptions, SecretOptions, EnvOptions, ShowOptions {
  readonly machinePer: "workflow" | "job";
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly checkpoint?: "auto" | "steps" | "off";
  readonly matrixFork?: boolean;
  readonly watch?: boolean;
  readonly pauseOnFailure?: boolean;
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
  const { name, capabilities } = chosen.provider;
  if (!capabilities.checkpoint && (options.checkpoint ?? "off") !== "off") {
    throw new EngineError("BAD_USAGE", `Cannot use --checkpoint ${options.checkpoint}: ${name} saves no machines`, {
      hint: "--provider gvisor, or qemu",
    });
  }
  const checkpoint = options.checkpoint ?? (terminal.live && capabilities.checkpoint ? "auto" : "off");
  const matrixFork = options.matrixFork === true && canFork(terminal, chosen);
  const code = await startRuns(hearth, terminal, {
    selection,
    sorted: { ...sorted, startable: plans },
    chosen,
    view: options,
    again: options.watch === true,
    optionsOf: (plan) => ({
      secrets: overlay(selection.secrets, secrets),
      env,
      machinePer: options.machinePer,
      pauseOnFailure: options.pauseOnFailure,
      ...(matrixFork ? { matrixFork } : {}),
      skipUnsupported: request.skipUnsupported,
      earlier: reruns?.find((rerun) => rerun.plan === plan)?.earlier,
      ...(checkpoint === "off" ? {} : { checkpoints: { when: checkpoint, keep: options.checkpoint !== undefined } }),
    }),
  });
  return { code: worstExitCode([refusedCode, code]), repository };
}

function canFork({ err }: Terminal, { provider }: ChosenProvider): boolean {
  if (provider.restore !== undefined) return true;
  err.write(`--matrix-fork has no effect: provider ${provider.name} cannot save a machine.\n`);
  return false;
}

function reportNothing({ err }: Terminal, { event }: Selection, { refused, passedOver }: SortedResults): void {
  for (const { path, reason } of passedOver) err.write(`${plainText(`${workflowLabel(path)} ${reason}`)}\n`);
  if (refused.length > 0) return;
  err.write(`Nothing to run: no workflow is triggered by ${plainText(event.name)}. Another event: --event NAME.\n`);
}
