/**
 * One attempt of a queued run under its lease: started, kept alive by a heartbeat, cancelled when asked, and its result
 * written together with what is to be reported. Who loses the lease stops at once, and nothing that it still says counts
 * (SECURITY-RELIABILITY 4.1-2, F04). Time is the monotonic clock's: a wall clock that jumps ends no lease (F24).
 */
import type { RunOutcome } from "../engine/run-settings.ts";
import type { RunReporter } from "../github/reporter.ts";
import { EngineError } from "../lib/engine-error.ts";
import type { Conclusion, RunEvent } from "../store/run-event.ts";
import type { Lease, ServerRun, ServerStore } from "./server-store.ts";
import type { ServerLog } from "./server-log.ts";

/** Makes a run of what is queued: checks out, plans, starts. A port: `compose.ts` has the engine. */
export interface RunHost {
  /** Resolves when the run is kept and about to begin. Throws `EngineError` for what keeps it from beginning. */
  start(run: ServerRun, wish: StartWish): Promise<StartedRun>;
}

interface StartWish {
  /** Every event, in order. */
  readonly onEvent: (event: RunEvent) => void;
  /** Before a job with `environment:` starts. */
  readonly onDeploy: () => void;
  /** Ends the preparation. */
  readonly signal: AbortSignal;
}

/** Disposal removes what was made for the run. */
export interface StartedRun extends AsyncDisposable {
  /** Id in the run store. */
  readonly run: string;
  readonly outcome: Promise<RunOutcome>;
  cancel(): void;
  kill(): void;
}

export interface WorkerParts {
  readonly store: ServerStore;
  readonly host: RunHost;
  /** Must not throw. */
  readonly reporter: RunReporter;
  /** Of those who follow the run: told after the reporter. */
  readonly onEvent: (run: string, event: RunEvent) => void;
  readonly leaseMs: number;
  readonly log: ServerLog;
  /** Monotonic, in ms. */
  readonly now: () => number;
}

export interface RunWorker {
  readonly id: number;
  readonly attempt: number;
  readonly repository: string;
  /** The first reason counts. Safe to call again. */
  cancel(reason: string): void;
  kill(reason: string): void;
  /** Another attempt has taken its place: stops at once, and says nothing more. */
  lose(why: string): void;
  /** Never rejects. */
  readonly ended: Promise<void>;
}

/** How often a result is written again that the disk refused, and how long. */
const RESULT_RETRY_MS = 1_000;
const RESULT_TRIES = 600;

export function workOn(run: ServerRun, lease: Lease, parts: WorkerParts): RunWorker {
  const { store, host, reporter, leaseMs, log, now } = parts;
  const preparing = new AbortController();
  let started: StartedRun | undefined;
  let reason: string | undefined;
  let superseded = false;
  let killed = false;
  let heldAtMs = now();

  function cancel(why: string): void {
    reason ??= why;
    preparing.abort(why);
    started?.cancel();
  }

  function kill(why: string): void {
    killed = true;
    cancel(why);
    started?.kill();
  }

  function lose(why: string): void {
    if (superseded) return;
    superseded = true;
    log.warn("lease lost", { run: run.id, attempt: lease.attempt, why });
    kill("another attempt has taken its place");
  }

  function beat(): void {
    if (superseded) return;
    try {
      const extended = store.runs.extend(lease, leaseMs);
      if (extended === false) return lose("it was given to another attempt");
      heldAtMs = now();
      if (extended.cancelRequested) cancel(store.runs.find(run.id)?.reason ?? "it was cancelled");
    } catch (error) {
      log.warn("lease not extended", { run: run.id, error: messageOf(error) });
      if (now() - heldAtMs > leaseMs) lose("it could not be extended in time");
    }
  }

  /** Undefined: there is nothing to complete, since somebody else has the run. */
  async function runIt(): Promise<
    { readonly conclusion: Conclusion; readonly reason: string | undefined } | undefined
  > {
    if (run.refusal !== undefined) return { conclusion: "failure", reason: run.refusal };
    let running: StartedRun;
    try {
      running = await host.start(run, {
        signal: preparing.signal,
        onEvent: note,
        onDeploy: () => {
          if (!store.runs.deploys(lease)) lose("it is over");
        },
      });
    } catch (error) {
      if (preparing.signal.aborted) return { conclusion: "cancelled", reason };
      log.error("run not started", { run: run.id, error: messageOf(error) });
      const fault = error instanceof EngineError ? error.message : "a fault in Hearth; its log says more";
      return { conclusion: "failure", reason: fault };
    }
    await using held = running;
    started = held;
    if (!store.runs.started(lease, held.run)) lose("it is over");
    log.info("run started", { run: run.id, attempt: lease.attempt, stored: held.run });
    // Either may have been asked for while it was being made.
    if (reason !== undefined) held.cancel();
    if (killed) held.kill();
    const outcome = await held.outcome;
    const ended = outcome.error === undefined ? reason : `${outcome.error.code}: ${outcome.error.message}`;
    return { conclusion: outcome.conclusion, reason: outcome.conclusion === "success" ? undefined : ended };
  }

  function note(event: RunEvent): void {
    const at = started?.run ?? (event.type === "run_started" ? event.run : undefined);
    if (!superseded) reporter.onEvent(run, event);
    if (at !== undefined) parts.onEvent(at, event);
  }

  async function work(): Promise<void> {
    const heart = setInterval(beat, Math.ceil(leaseMs / 3));
    try {
      const end = await runIt();
      if (end !== undefined && !superseded) await keep(end.conclusion, end.reason);
      // It is told of by who takes its place; the reporter only forgets it.
      if (superseded) reporter.atEnd(run, "failure", undefined);
    } catch (error) {
      log.error("run lost", { run: run.id, error: error instanceof Error ? (error.stack ?? "") : String(error) });
    } finally {
      clearInterval(heart);
    }
  }

  async function keep(conclusion: Conclusion, why: string | undefined): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        const accepted = store.runs.complete(lease, conclusion, why, reporter.atEnd(run, conclusion, why));
        log.info(accepted ? "run completed" : "result refused", { run: run.id, attempt: lease.attempt, conclusion });
        return;
      } catch (error) {
        if (tries === RESULT_TRIES) throw error;
        log.warn("result not written", { run: run.id, error: messageOf(error) });
        await new Promise((resolve) => setTimeout(resolve, RESULT_RETRY_MS));
      }
    }
  }

  const { id, repository } = run;
  return { id, repository, attempt: lease.attempt, cancel, kill, lose, ended: work() };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
