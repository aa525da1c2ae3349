/** `hearth fork`: several machines from one moment of a kept run, and the same command in each. */
import { StringDecoder } from "node:string_decoder";
import { EngineError } from "../lib/engine-error.ts";
import { Semaphore } from "../lib/semaphore.ts";
import { counted } from "./counted.ts";
import { plainText } from "./display-text.ts";
import { formatDuration } from "./duration.ts";
import { exitCode } from "./exit-code.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Hearth } from "./hearth.ts";
import { machineAt, openMoment, placeOf } from "./open-moment.ts";
import type { OpenMoment } from "./open-moment.ts";
import { execIn, exitNumber } from "./shell-session.ts";
import type { Terminal } from "./terminal.ts";

export interface ForkOptions {
  readonly at?: string;
  readonly job?: string;
  /** How many. */
  readonly number?: number;
  readonly exec: string;
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

/** Success when the command succeeded in all of them. */
export async function fork(
  hearth: Hearth,
  terminal: Terminal,
  prefix: string | undefined,
  options: ForkOptions,
): Promise<ExitCode> {
  const { out, err } = terminal;
  const stop = new AbortController();
  const stopListening = terminal.onInterrupt(() => stop.abort(new EngineError("BAD_USAGE", "Interrupted")));
  try {
    await using opened = await openMoment(hearth, prefix, { step: options.at, job: options.job });
    err.write(`${plainText(`Forks ${placeOf(opened)}`)}\n`);
    const number = options.number ?? DEFAULT_FORKS;
    const places = new Semaphore(Math.max(1, hearth.concurrency));
    const forks = await Promise.all(
      Array.from({ length: number }, async (_, index) => {
        using place = await places.acquire();
        const done = await runFork(hearth, terminal, opened, index + 1, { command: options.exec, stop: stop.signal });
        if (options.json === true) out.write(`${JSON.stringify(done)}\n`);
        else for (const line of linesOf(done)) out.write(`${line}\n`);
        return done;
      }),
    );
    const failed = forks.filter((one) => one.exitCode !== 0);
    if (options.json !== true) out.write(`${summary(forks)}\n`);
    return failed.length === 0 ? exitCode.success : exitCode.failure;
  } finally {
    stopListening();
    await hearth.close();
  }
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
