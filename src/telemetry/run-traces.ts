/**
 * The traces of the runs of this process: spans wait in one bounded line and are sent behind the runs, which never wait for it. A
 * run's spans go when it ends, and before that when a machine is lost or many have gathered. What cannot be sent within its deadline
 * is dropped, not tried again: a trace is worth less than the run. Of a collector that refuses one line tells, until it takes again.
 */
import { untilAborted } from "../lib/deadline.ts";
import type { RunEvent } from "../store/run-event.ts";
import { createRunSpans } from "./run-spans.ts";
import type { SpanIds, TracedRun } from "./run-spans.ts";
import type { Span } from "./span.ts";

export interface TraceParts {
  /** Of the collector, for people. */
  readonly address: string;
  /** Rejects for what was not taken. */
  readonly send: (spans: readonly Span[], signal: AbortSignal) => Promise<void>;
  readonly newIds: () => SpanIds;
  /** One line for people. Must not throw. */
  readonly warn: (line: string) => void;
  /** Of one request. Default: 3 s. */
  readonly deadlineMs?: number;
  /** Default: 4096. */
  readonly maxWaiting?: number;
}

export interface RunTraces {
  /** Returns who is to be given every event of one run, in order; that one throws for nothing. */
  follow(run: TracedRun): (event: RunEvent) => void;
  /** Sends what waits, within one deadline. Nothing is sent afterwards. Safe to call twice; never rejects. */
  close(): Promise<void>;
}

/** In one request. */
const BATCH = 256;

export function createRunTraces(parts: TraceParts): RunTraces {
  const { address, send, newIds, warn, deadlineMs = 3_000, maxWaiting = 4_096 } = parts;
  const waiting: Span[] = [];
  const closing = new AbortController();
  let working: Promise<void> | undefined;
  let refused = false;

  function queue(spans: readonly Span[]): void {
    if (closing.signal.aborted) return;
    const room = maxWaiting - waiting.length;
    waiting.push(...spans.slice(0, room));
    if (spans.length > room) tell(`${spans.length - room} spans were dropped, since those before them are not taken`);
    if (waiting.length > 0) working ??= work();
  }

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, BATCH);
      try {
        await sendInTime(batch);
        refused = false;
      } catch (error) {
        tell(reasonOf(error));
      }
    }
    working = undefined;
  }

  async function sendInTime(batch: readonly Span[]): Promise<void> {
    const stop = new AbortController();
    const late = setTimeout(() => stop.abort(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
    const onClose = (): void => stop.abort(closing.signal.reason);
    closing.signal.addEventListener("abort", onClose);
    try {
      if (closing.signal.aborted) onClose();
      await untilAborted(send(batch, stop.signal), stop.signal);
    } finally {
      clearTimeout(late);
      closing.signal.removeEventListener("abort", onClose);
    }
  }

  function tell(reason: string): void {
    if (!refused) warn(`Traces are not sent to ${address}: ${reason}`);
    refused = true;
  }

  return {
    follow(run) {
      const spansOf = createRunSpans(run, newIds());
      const gathered: Span[] = [];
      let broken = false;
      return (event) => {
        if (broken) return;
        try {
          gathered.push(...spansOf(event));
        } catch (error) {
          // Ours, but the run goes on without its trace.
          broken = true;
          return tell(reasonOf(error));
        }
        if (isNews(event) || gathered.length >= BATCH) queue(gathered.splice(0));
      };
    },
    async close() {
      const late = setTimeout(() => closing.abort(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
      await working;
      clearTimeout(late);
      closing.abort();
    },
  };
}

function isNews({ type }: RunEvent): boolean {
  return type === "run_completed" || type === "machine_lost";
}

/** `fetch` says only in the cause why it failed, and there only the code where it tried several addresses. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return cause.message || ("code" in cause && String(cause.code)) || error.message;
}
