/**
 * `hearth flake`: the same step from the same state again and again. What it comes to may differ only by what the step itself does, so a
 * step that fails now and then is found out. Its runs leave no record behind.
 */
import { overlay } from "../lib/overlay.ts";
import type { RunEvent } from "../store/run-event.ts";
import { Cancelled } from "./cancelled.ts";
import { counted } from "./counted.ts";
import type { DiffFile } from "./diff-document.ts";
import { fileLines } from "./diff-lines.ts";
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import { firstDifference } from "./first-difference.ts";
import { FlakeMachines } from "./flake-files.ts";
import type { FlakeFiles } from "./flake-files.ts";
import type { Hearth, RunOptions } from "./hearth.ts";
import { inPlaces } from "./in-places.ts";
import { openMoment } from "./open-moment.ts";
import { planFromMoment } from "./plan-from-moment.ts";
import type { PlanFromMoment } from "./plan-from-moment.ts";
import { readEnv, readSecrets } from "./request.ts";
import type { EnvOptions, SecretOptions } from "./request.ts";
import { exitCodeOfRefused } from "./sort-results.ts";
import type { Terminal } from "./terminal.ts";

export interface FlakeOptions extends SecretOptions, EnvOptions {
  readonly step?: string;
  readonly job?: string;
  readonly number?: number;
  readonly stale?: boolean;
  readonly json?: boolean;
}

/** `hearth flake --json` prints it: a change of a member is a change of a public format. */
interface Trial {
  readonly trial: number;
  /** Of the step; `error` where there was no machine to run it in. */
  readonly outcome: "success" | "failure" | "cancelled" | "skipped" | "error";
  readonly exitCode?: number | undefined;
  readonly durationMs: number;
  readonly lines: readonly string[];
  readonly error?: string | undefined;
}

const DEFAULT_TRIALS = 10;
const SHOWN_LINES = 5;

/** Success when the step succeeded every time. */
export async function flake(
  hearth: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  options: FlakeOptions,
): Promise<ExitCode> {
  const { out } = terminal;
  const stop = new AbortController();
  const { signal } = stop;
  const stopListening = terminal.onInterrupt(() => stop.abort(new Cancelled()));
  try {
    const secrets = await readSecrets(options, terminal);
    const env = await readEnv(options);
    await using opened = await openMoment(hearth, prefix, { step: options.step, job: options.job });
    await using machines = new FlakeMachines(hearth.forks, opened);
    const { moment, checkpoint } = opened;
    const wish = { secrets, stale: options.stale === true, json: options.json === true };
    const planned = await planFromMoment(hearth, terminal, opened, wish);
    if (planned.going === undefined) return exitCodeOfRefused(planned.sorted.refused);
    const { provider } = await hearth.chooseProvider(checkpoint.provider);
    const number = options.number ?? DEFAULT_TRIALS;
    const own = { provider, env, secrets: overlay(planned.selection.secrets, secrets), step: moment.step, machines };
    const trials = await inPlaces(hearth, number, async (trial) => {
      if (signal.aborted) return undefined;
      const done = await tryOnce(hearth, planned, { ...own, trial, signal });
      if (options.json === true) out.write(`${JSON.stringify(done)}\n`);
      else out.write(`${plainText(`${done.trial}  ${done.outcome}  ${formatDuration(done.durationMs)}`)}\n`);
      return done;
    });
    const done = trials.filter((trial) => trial !== undefined);
    const verdict = verdictOf(done);
    const files = await machines.compare(hearth, signal);
    if (options.json === true) out.write(`${JSON.stringify({ verdict: verdict.kind, ...verdict.counts, files })}\n`);
    else {
      const lines = [...differenceLines(done), ...filesLines(files, opened.saved.shell.cwd), "", verdict.text];
      for (const line of lines) out.write(`${plainText(line)}\n`);
    }
    if (signal.aborted) return exitCode.cancelled;
    if (done.some(({ outcome }) => outcome === "error")) return exitCode.machine;
    return verdict.kind === "never fails" ? exitCode.success : exitCode.failure;
  } finally {
    stopListening();
    await hearth.close();
  }
}

interface TrialWish extends Pick<RunOptions, "provider" | "env" | "secrets"> {
  readonly step: number;
  readonly trial: number;
  readonly machines: FlakeMachines;
  readonly signal: AbortSignal;
}

async function tryOnce(
  hearth: Hearth,
  { selection, going }: PlanFromMoment,
  { step, trial, machines, signal, ...own }: TrialWish,
): Promise<Trial> {
  if (going === undefined) throw new Error("nothing to try");
  const { plan, earlier, resumption } = going;
  const { job } = resumption.saved;
  const { repository, vars, runners, environments, network } = selection;
  const lines: string[] = [];
  let ended: Extract<RunEvent, { type: "step_completed" }> | undefined;
  const handle = await hearth.startRun(plan, {
    repository,
    vars,
    runners,
    environments,
    network,
    earlier,
    ...own,
    machinePer: "job",
    skipUnsupported: false,
    resumption: {
      ...resumption,
      until: step,
      async afterLast(machine, kill) {
        const kind = ended?.fate.kind === "ran" ? ended.fate.outcome : undefined;
        if (kind === "success" || kind === "failure") await machines.keep(kind, trial, machine, kill);
      },
    },
    onEvent(event) {
      if (!("step" in event) || event.job !== job || event.step !== String(step)) return;
      if (event.type === "log") lines.push(event.line);
      if (event.type === "step_completed") ended = event;
    },
  });
  const kill = (): void => handle.kill();
  signal.addEventListener("abort", kill);
  if (signal.aborted) kill();
  const { error } = await handle.outcome;
  signal.removeEventListener("abort", kill);
  await hearth.store.remove(handle.run);
  const { fate, durationMs = 0 } = ended ?? {};
  if (fate?.kind === "ran") return { trial, outcome: fate.outcome, exitCode: fate.exitCode, durationMs, lines };
  if (fate?.kind === "skipped") return { trial, outcome: "skipped", durationMs, lines };
  return { trial, outcome: "error", durationMs, lines, error: error?.message ?? fate?.reason };
}

interface Verdict {
  readonly kind: "always fails" | "never fails" | "flaky" | "unknown";
  readonly text: string;
  readonly counts: { readonly trials: number; readonly failed: number; readonly errors: number };
}

function verdictOf(trials: readonly Trial[]): Verdict {
  const errors = trials.filter(({ outcome }) => outcome === "error" || outcome === "cancelled");
  const judged = trials.length - errors.length;
  const failed = trials.filter(({ outcome }) => outcome === "failure").length;
  const counts = { trials: trials.length, failed, errors: errors.length };
  const unjudged =
    errors.length === 0 ? "" : `; ${errors.length} could not be tried: ${errors[0]?.error ?? "cancelled"}`;
  const times = trials.flatMap(({ outcome, durationMs }) => (outcome === "error" ? [] : [durationMs]));
  const range = new Set(times.length === 0 ? [] : [Math.min(...times), Math.max(...times)].map(formatDuration));
  const took = range.size === 0 ? "" : `, ${[...range].join(" to ")}`;
  const say = (kind: Verdict["kind"], text: string): Verdict => ({ kind, counts, text: `${text}${took}${unjudged}` });
  if (judged === 0) return say("unknown", "nothing could be tried");
  if (failed === 0) return say("never fails", `never fails: ${counted(judged, "trial")} from the same state`);
  if (failed === judged) return say("always fails", `always fails: ${counted(judged, "trial")} from the same state`);
  return say("flaky", `flaky: failed in ${failed} of ${counted(judged, "trial")} from the same state`);
}

/** Where the output of a failure leaves that of a success. */
function differenceLines(trials: readonly Trial[]): readonly string[] {
  const failure = trials.find(({ outcome }) => outcome === "failure");
  const success = trials.find(({ outcome }) => outcome === "success");
  if (failure === undefined || success === undefined) return [];
  const difference = firstDifference(success.lines, failure.lines);
  if (difference === undefined) return ["", "The output is the same in both."];
  const shown = (lines: readonly string[], mark: string): readonly string[] =>
    lines.slice(difference, difference + SHOWN_LINES).map((line) => `${mark} ${line}`);
  const place = `Output from line ${difference + 1}: trial ${success.trial} (success) and trial ${failure.trial} (failure)`;
  return ["", place, ...shown(success.lines, "+"), ...shown(failure.lines, "-")];
}

/** What the step left in files, and what of it a failure left otherwise. */
function filesLines({ touched, differing, unknown }: FlakeFiles, workspace: string): readonly string[] {
  const group = (title: string, files: readonly DiffFile[], none: string): readonly string[] => {
    const count = files.length === 0 ? none : String(files.length);
    return ["", `${title}: ${count}`, ...fileLines(files, workspace, false)];
  };
  const { success, failure, files = [] } = differing ?? {};
  return [
    ...(touched === undefined ? [] : group(`Files touched in trial ${touched.trial}`, touched.files, "none")),
    ...(differing === undefined
      ? []
      : group(`Files from trial ${success} (success) to trial ${failure} (failure)`, files, "the same")),
    ...(unknown === undefined ? [] : ["", `Files are not all known: ${unknown}`]),
  ];
}
