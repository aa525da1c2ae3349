/**
 * Tells of runs that no worker tells of: those that wait again, were cancelled before they began, or whose process was lost, with the
 * check runs that the lost attempt left going. What is to be told is in the store until it is told, so that a kill in between, or a
 * command while no server runs, is made up for by the next look (SECURITY-RELIABILITY 4.1-4).
 */
import type { RunReporter } from "../github/reporter.ts";
import type { RunEvent } from "../store/run-event.ts";
import type { RunStore } from "../store/run-store.ts";
import type { ServerLog } from "./server-log.ts";
import type { ServerLoop } from "./serve.ts";
import type { LostAttempt, NewReport, ServerRun, ServerStore, UntoldRun } from "./server-store.ts";
import type { RunChanges } from "./watched-store.ts";

export interface ChangeTellerParts {
  readonly store: Pick<ServerStore, "runs">;
  readonly stored: Pick<RunStore, "read">;
  readonly changes: RunChanges;
  readonly reporter: Pick<RunReporter, "standing" | "ended">;
  readonly log: ServerLog;
}

const LOOK_EVERY_MS = 10_000;
const AT_A_TIME = 100;

export function startChangeTeller({ changes, ...parts }: ChangeTellerParts): ServerLoop {
  let going: Promise<void> = Promise.resolve();
  let isAsked = false;
  const look = (): void => {
    if (isAsked) return;
    isAsked = true;
    going = going.then(async () => {
      isAsked = false;
      await tellAll(parts);
    });
  };
  const subscription = changes.subscribe((_run, by) => {
    if (by === "recover" || by === "approve" || by === "cancel" || by === "rerun") look();
  });
  const timer = setInterval(look, LOOK_EVERY_MS);
  look();
  return {
    async stop() {
      clearInterval(timer);
      subscription[Symbol.dispose]();
      look();
      await going;
    },
  };
}

async function tellAll(parts: Omit<ChangeTellerParts, "changes">): Promise<void> {
  try {
    for (const untold of parts.store.runs.untold(AT_A_TIME)) {
      parts.store.runs.tell(untold, await reportsOf(parts, untold));
    }
  } catch (error) {
    // They are still to be told: the next look does.
    parts.log.warn("changes not told", { error: error instanceof Error ? error.message : String(error) });
  }
}

/** Older attempts first: of a name GitHub shows the newest check run. */
async function reportsOf(
  { reporter, ...parts }: Pick<ChangeTellerParts, "stored" | "reporter" | "log">,
  { run, standing, lost }: UntoldRun,
): Promise<readonly NewReport[]> {
  const reports: NewReport[] = [];
  let isTold = false;
  for (const attempt of lost) {
    const events = await eventsOf(parts, attempt);
    if (attempt.attempt === run.attempt) {
      reports.push(...reporter.ended(run, events));
      isTold = true;
    } else {
      // A status and a comment are of the run, whichever attempt: theirs is the one that goes on.
      const ended = reporter.ended(asLost(run, attempt), events);
      reports.push(...ended.filter(({ kind }) => kind === "check_run"));
    }
  }
  if (standing && !isTold) reports.push(...reporter.standing(run));
  return reports;
}

function asLost(run: ServerRun, { attempt, run: id }: LostAttempt): ServerRun {
  return { ...run, attempt, run: id, state: "completed", conclusion: "failure", reason: "worker_lost" };
}

/** Without what steps printed. What of a record is gone or damaged holds up no report. */
async function eventsOf(
  { stored, log }: Pick<ChangeTellerParts, "stored" | "log">,
  { run }: LostAttempt,
): Promise<readonly RunEvent[]> {
  const events: RunEvent[] = [];
  try {
    for await (const event of stored.read(run)) if (event.type !== "log") events.push(event);
  } catch (error) {
    log.warn("record not read", { stored: run, error: error instanceof Error ? error.message : String(error) });
  }
  return events;
}
