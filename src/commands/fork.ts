/** `hearth fork`: several machines from one moment of a kept run. The same command runs in each, or they stay open for visitors. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { StringDecoder } from "node:string_decoder";
import { Cancelled } from "./cancelled.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { inPlaces } from "./in-places.ts";
import { machineAt, openMoment, placeOf } from "./open-moment.ts";
import type { OpenMoment } from "./open-moment.ts";
import { execIn, exitNumber } from "./shell-session.ts";
import type { Terminal } from "./terminal.ts";

export interface ForkOptions {
  readonly at?: string;
  readonly job?: string;
  /** How many. */
  readonly number?: number;
  /** Undefined: the machines stay until Ctrl-C. */
  readonly exec?: string;
  readonly json?: boolean;
}

/** `hearth fork --json` prints it: a change of a member is a change of a public format. */
interface Fork {
  readonly fork: number;
  readonly exitCode: number;
  /** From its being asked for to its machine's answer. */
  readonly readyMs: number;
  readonly durationMs: number;
  readonly output: string;
}

const DEFAULT_FORKS = 2;
const MAX_OUTPUT_CHARACTERS = 1 << 20;
/** As shells have it. */
const CANNOT_RUN = 126;

/** Success when the command succeeded in all of them; without one when all of them were there. */
export async function fork(
  hearth: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  options: ForkOptions,
): Promise<ExitCode> {
  const { out, err } = terminal;
  const stop = new AbortController();
  const stopListening = terminal.onInterrupt(() => stop.abort(new Cancelled()));
  try {
    await using opened = await openMoment(hearth, prefix, { step: options.at, job: options.job });
    err.write(`${plainText(`Forks ${placeOf(opened)}`)}\n`);
    const number = options.number ?? DEFAULT_FORKS;
    const json = options.json === true;
    const { exec: command } = options;
    if (command === undefined) return await holdForks(hearth, terminal, opened, { number, json, signal: stop.signal });
    const forks = await inPlaces(hearth, number, async (fork) => {
      const done = await runFork(hearth, terminal, opened, fork, { command, stop: stop.signal });
      if (json) out.write(`${JSON.stringify(done)}\n`);
      else for (const line of linesOf(done)) out.write(`${line}\n`);
      return done;
    });
    const failed = forks.filter((one) => one.exitCode !== 0);
    if (!json) out.write(`${summary(forks)}\n`);
    return failed.length === 0 ? exitCode.success : exitCode.failure;
  } finally {
    stopListening();
    await hearth.close();
  }
}

/** `hearth fork --json` prints it of machines that stay. */
interface OpenFork {
  readonly fork: number;
  /** What `hearth shell` and `hearth cp` call it. */
  readonly id: string;
  readonly machine: string;
  readonly readyMs: number;
}

interface HoldWish {
  readonly number: number;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** Resolves when it is interrupted: that is how it ends. */
async function holdForks(
  hearth: Hearth,
  { out, err }: Terminal,
  opened: OpenMoment,
  { number, json, signal }: HoldWish,
): Promise<ExitCode> {
  const { env, cwd } = opened.saved.shell;
  const group = randomUUID();
  await using held = new AsyncDisposableStack();
  await inPlaces(hearth, number, async (fork) => {
    const startedAt = performance.now();
    const machine = held.use(await machineAt(hearth, opened, "fork", signal, group));
    const { id } = held.use(await hearth.held.hold(opened.stored.run, machine, { env, cwd }));
    const readyMs = Math.round(performance.now() - startedAt);
    const open: OpenFork = { fork, id, machine: machine.machine.id, readyMs };
    out.write(json ? `${JSON.stringify(open)}\n` : `hearth shell ${id}  ${formatDuration(readyMs)}\n`);
  });
  err.write(`${counted(number, "machine")} until Ctrl-C\n`);
  if (!signal.aborted) await once(signal, "abort");
  return exitCode.success;
}

async function runFork(
  hearth: Hearth,
  terminal: Terminal,
  moment: OpenMoment,
  number: number,
  { command, stop }: { readonly command: string; readonly stop: AbortSignal },
): Promise<Fork> {
  const startedAt = performance.now();
  await using opened = await machineAt(hearth, moment, "fork", stop);
  const readyMs = Math.round(performance.now() - startedAt);
  let output = "";
  const decoders = { stdout: new StringDecoder("utf8"), stderr: new StringDecoder("utf8") };
  const place = { ...moment.saved.shell, user: "runner", argv: ["bash", "-c", command], write: [] } as const;
  const exit = await execIn(opened.machine.agent, terminal, place, (stream, chunk) => {
    output = (output + decoders[stream].write(chunk)).slice(0, MAX_OUTPUT_CHARACTERS);
  });
  const durationMs = Math.round(performance.now() - startedAt);
  if (exit.failure === undefined) return { fork: number, exitCode: exitNumber(exit), readyMs, durationMs, output };
  return { fork: number, exitCode: CANNOT_RUN, readyMs, durationMs, output: `${output}${exit.failure}\n` };
}

function linesOf({ fork: number, exitCode: code, durationMs, output }: Fork): readonly string[] {
  const lines = output === "" ? [] : output.replace(/\n$/, "").split("\n");
  const ended = code === 0 ? formatDuration(durationMs) : `exit code ${code}, ${formatDuration(durationMs)}`;
  return [...lines.map((line) => `${number} | ${plainText(line)}`), `${number} | ${ended}`];
}

function summary(forks: readonly Fork[]): string {
  const failed = forks.filter((one) => one.exitCode !== 0).length;
  const outcome = failed === 0 ? "exit code 0 in all" : `${failed} with another exit code than 0`;
  return `${counted(forks.length, "fork")}: ${outcome}`;
}
