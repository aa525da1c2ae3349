/**
 * Empties the outbox to GitHub: the last state of each key arrives, whatever fails meanwhile (F21). Reports of one key, and lines of one
 * comment, go one after another. A limit that GitHub names holds for everything; what never will be taken is given up with the reason,
 * for `hearth doctor`. Nothing is kept in memory that the database does not have.
 */
import { setTimeout as sleepFor } from "node:timers/promises";
import { ZodError } from "zod";
import { unreachable } from "../lib/unreachable.ts";
import type { Notes, Outbox, Report } from "../server/server-store.ts";
import type { GithubClient } from "./client.ts";
import { GithubProblem } from "./github-problem.ts";
import type { GithubTrouble } from "./github-problem.ts";
import { readStatusBody } from "./report-body.ts";
import { sendCheckRun } from "./send-check-run.ts";
import { commentOf, sendComment } from "./send-comment.ts";

export interface SenderParts {
  readonly outbox: Outbox;
  readonly notes: Notes;
  readonly client: GithubClient;
  /** Wall clock, in ms: what is put off outlives the process. */
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Unguessable, `[0-9a-f-]`. */
  readonly newId: () => string;
  /** A report was given up. */
  readonly onAbandoned: (report: Report, error: string) => void;
  /** The database did not take what was to be noted; it is tried again. */
  readonly onFault: (error: unknown) => void;
  /** For tests that do not wait; rejects when the signal is aborted. */
  readonly sleep?: (waitMs: number, signal: AbortSignal) => Promise<unknown>;
}

const LOOK_EVERY_MS = 1_000;
const AT_A_TIME = 4;
const AFTER_FAULT_MS = 5_000;
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 5 * 60_000;
/** Then a report is given up: after about a day without GitHub, or an hour in which rights that were forgotten can be given. */
const TRIES = { unavailable: 300, denied: 18, refused: 0 } as const;

/** Runs until the signal is aborted; a report in the middle of being sent is sent again by the next one. Never rejects for GitHub's sake. */
export async function sendReports(parts: SenderParts, signal: AbortSignal): Promise<void> {
  const { outbox, now, onFault, sleep = (waitMs, until) => sleepFor(waitMs, undefined, { signal: until }) } = parts;
  const lanes = new Map<string, Promise<void>>();
  let pausedUntilMs = 0;

  const send = async (report: Report, lane: string): Promise<void> => {
    try {
      pausedUntilMs = Math.max(pausedUntilMs, await sendOne(report, parts, signal));
    } catch (error) {
      fault(error);
    } finally {
      lanes.delete(lane);
    }
  };
  const fault = (error: unknown): void => {
    onFault(error);
    pausedUntilMs = Math.max(pausedUntilMs, now() + AFTER_FAULT_MS);
  };
  const startDue = (): void => {
    // More than can be sent, since some of them are under way.
    for (const report of outbox.due(now(), 4 * AT_A_TIME)) {
      const lane = laneOf(report);
      if (lanes.size < AT_A_TIME && !lanes.has(lane)) lanes.set(lane, send(report, lane));
    }
  };

  while (!signal.aborted) {
    try {
      if (now() >= pausedUntilMs) startDue();
    } catch (error) {
      fault(error);
    }
    const look = new AbortController();
    const next = sleep(LOOK_EVERY_MS, AbortSignal.any([signal, look.signal])).catch(() => undefined);
    await Promise.race([next, ...lanes.values()]);
    look.abort();
  }
  await Promise.all(lanes.values());
}

/** Answers until when nothing may be sent at all; 0 for no such thing. Throws what the database throws. */
async function sendOne(report: Report, parts: SenderParts, signal: AbortSignal): Promise<number> {
  try {
    await deliver(report, parts, signal);
  } catch (error) {
    // The next process sends it.
    return signal.aborted ? 0 : putOff(report, error, parts);
  }
  parts.outbox.sent(report.id);
  return 0;
}

async function deliver(report: Report, parts: SenderParts, signal: AbortSignal): Promise<void> {
  const { client, notes } = parts;
  switch (report.kind) {
    case "check_run":
      return sendCheckRun(report, client, notes, signal);
    case "comment":
      return sendComment(report, parts, signal);
    case "status": {
      const { repository, body } = report;
      const route = "POST /repos/{owner}/{repo}/statuses/{sha}";
      await client.request({ route, parameters: readStatusBody(body), repository, signal });
      return;
    }
    default:
      return unreachable(report.kind);
  }
}

function putOff(report: Report, error: unknown, parts: SenderParts): number {
  const { outbox, random } = parts;
  const nowMs = parts.now();
  const { trouble, said } = describe(error);
  const again = (waitMs: number): void => outbox.failed(report.id, { atMs: nowMs + waitMs, error: said });
  // Half of it is chance, so that many do not come back at once.
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(report.tries, 16)) * (0.5 + random() / 2);
  if (trouble.kind === "limited") {
    again(trouble.retryAfterMs);
    return nowMs + trouble.retryAfterMs;
  }
  if (report.tries < TRIES[trouble.kind]) {
    again(trouble.kind === "unavailable" ? Math.max(wait, trouble.retryAfterMs ?? 0) : wait);
    return 0;
  }
  outbox.abandon(report.id, said);
  parts.onAbandoned(report, said);
  return 0;
}

function describe(error: unknown): { readonly trouble: GithubTrouble; readonly said: string } {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof GithubProblem) {
    return { trouble: error.trouble, said: error.status === undefined ? text : `${error.status}: ${text}` };
  }
  // Written by another version of Hearth; else the database has not taken a note.
  const isUnreadable = error instanceof ZodError || error instanceof SyntaxError;
  return { trouble: isUnreadable ? { kind: "refused" } : { kind: "unavailable", retryAfterMs: undefined }, said: text };
}

function laneOf(report: Report): string {
  try {
    return report.kind === "comment" ? commentOf(report) : report.key;
  } catch {
    // It cannot be read, which sending it will tell.
    return report.key;
  }
}
