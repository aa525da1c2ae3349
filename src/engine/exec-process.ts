/**
 * One process in the machine, and the ways it can be ended: a cancelled run or a timeout goes down the runner's ladder
 * (SIGINT to the process, 7.5 s, SIGTERM, 2.5 s, SIGKILL to its tree; ACTIONS-CONTRACT §3.2), `kill` takes the last rung at once.
 */
import { EngineError } from "../lib/engine-error.ts";
import type { AgentClient, ExecResult, OutputStream } from "../protocol/agent-client.ts";
import type { ExecRequest } from "../protocol/agent-api.ts";

export interface ExecControl {
  readonly cancel: AbortSignal;
  readonly timeout: AbortSignal;
  readonly kill: AbortSignal;
  readonly ladder: CancelLadder;
}

export interface CancelLadder {
  readonly interruptMs: number;
  readonly terminateMs: number;
  /** After SIGKILL the guest must say that the process ended; a guest that does not has lost our trust. */
  readonly killMs: number;
}

export const RUNNER_LADDER: CancelLadder = { interruptMs: 7_500, terminateMs: 2_500, killMs: 10_000 };

export type ProcessEnd = ExecResult & { readonly endedBy: "itself" | "cancel" | "timeout" };

/** Throws what `AgentClient.exec` throws, and MACHINE_LOST when a killed process does not end. */
export async function execProcess(
  agent: AgentClient,
  request: ExecRequest,
  onOutput: (stream: OutputStream, chunk: Buffer) => void | Promise<void>,
  control: ExecControl,
): Promise<ProcessEnd> {
  const ended = new AbortController();
  const process = agent.exec(request, onOutput);
  const ending = endWhenAsked(agent, request.id, control, ended.signal);
  try {
    const result = await Promise.race([process, ending.gaveUp]);
    return { ...result, endedBy: ending.cause() ?? "itself" };
  } finally {
    ended.abort();
    await ending.done;
  }
}

interface Ending {
  readonly cause: () => "cancel" | "timeout" | undefined;
  /** Rejects when the last rung did not help; never resolves. */
  readonly gaveUp: Promise<never>;
  readonly done: Promise<void>;
}

function endWhenAsked(agent: AgentClient, id: string, control: ExecControl, ended: AbortSignal): Ending {
  let cause: "cancel" | "timeout" | undefined;
  const gaveUp = Promise.withResolvers<never>();
  gaveUp.promise.catch(() => undefined);

  const descend = async (): Promise<void> => {
    const asked = await firstAborted([control.kill, control.cancel, control.timeout], ended);
    if (asked === undefined) return;
    cause = asked === control.timeout ? "timeout" : "cancel";
    const rungs = [
      { signal: "SIGINT", scope: "process", waitMs: control.ladder.interruptMs },
      { signal: "SIGTERM", scope: "process", waitMs: control.ladder.terminateMs },
    ] as const;
    for (const { signal, scope, waitMs } of rungs) {
      if (control.kill.aborted) break;
      await agent.signal({ id, signal, scope });
      await sleep(waitMs, [ended, control.kill]);
      if (ended.aborted) return;
    }
    await agent.signal({ id, signal: "SIGKILL", scope: "tree" });
    await sleep(control.ladder.killMs, [ended]);
    if (!ended.aborted) gaveUp.reject(new EngineError("MACHINE_LOST", "The machine did not end a killed process"));
  };

  // A machine that is lost meanwhile fails the exec itself, with the better message.
  const done = descend().catch((error: unknown) => gaveUp.reject(error));
  return { cause: () => cause, gaveUp: gaveUp.promise, done };
}

/** Resolves to the first of `signals` that is aborted, or undefined once `unless` is. */
async function firstAborted(signals: readonly AbortSignal[], unless: AbortSignal): Promise<AbortSignal | undefined> {
  const any = AbortSignal.any([...signals, unless]);
  if (!any.aborted)
    await new Promise<void>((resolve) => any.addEventListener("abort", () => resolve(), { once: true }));
  return unless.aborted ? undefined : signals.find((signal) => signal.aborted);
}

async function sleep(durationMs: number, until: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...until]);
  if (any.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, durationMs);
    any.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
