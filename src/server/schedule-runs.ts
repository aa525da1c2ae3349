/**
 * `on.schedule` of the default branches: a delivery when an entry is due. Its name is made of the entry and the minute, so that
 * whatever the clock does, and however often the server starts, an entry fires once for a minute (F24). What was due while no
 * server ran is made up for once, if that is not long ago.
 */
import { createHash } from "node:crypto";
import { nextRun } from "../select/next-run.ts";
import type { ServerLog } from "./server-log.ts";
import type { ServerLoop } from "./serve.ts";
import type { ServerStore } from "./server-store.ts";

export interface ScheduleEntry {
  readonly repository: string;
  /** As `Workflow.path`. */
  readonly workflow: string;
  readonly cron: string;
  /** Undefined: UTC. */
  readonly timezone: string | undefined;
}

export interface ScheduleParts {
  readonly store: Pick<ServerStore, "deliveries" | "notes">;
  /** Of all repositories that are known, as their default branches are now. */
  readonly entries: () => Promise<readonly ScheduleEntry[]>;
  readonly onAccepted: () => void;
  /** Wall clock, in ms: crontabs mean that one. */
  readonly now: () => number;
  readonly log: ServerLog;
}

const EVERY_MS = 20_000;
const MADE_UP_FOR_MS = 3600_000;

/** Answers how many fired. */
export async function fireSchedules(parts: ScheduleParts): Promise<number> {
  const { store, now } = parts;
  const nowMs = now();
  let fired = 0;
  for (const entry of await parts.entries()) {
    const name = `schedule:${keyOf(entry)}`;
    const seen = Number(store.notes.get(name) ?? Number.NaN);
    // One that is new is due from now on. A clock that was set back waits for what it has not seen yet.
    const from = Number.isNaN(seen) ? nowMs : Math.max(seen, nowMs - MADE_UP_FOR_MS);
    const due = lastDue(entry, from, nowMs);
    if (due !== undefined) fired += fire(entry, due, parts);
    if (due !== undefined || Number.isNaN(seen)) store.notes.set(name, String(Math.max(from, due?.getTime() ?? from)));
  }
  return fired;
}

export function startSchedules(parts: ScheduleParts): ServerLoop {
  let working: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    working ??= fireSchedules(parts)
      .catch((error: unknown) =>
        parts.log.warn("schedules not read", { error: error instanceof Error ? error.message : String(error) }),
      )
      .finally(() => (working = undefined));
  }, EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      await working;
    },
  };
}

/** The latest that is due: after a pause an entry fires once, not once for every time that was missed. */
function lastDue({ cron, timezone }: ScheduleEntry, fromMs: number, untilMs: number): Date | undefined {
  let found: Date | undefined;
  for (let after = fromMs; ;) {
    const next = nextRun(cron, timezone, new Date(after));
    if (next === undefined || next.getTime() > untilMs) return found;
    found = next;
    after = next.getTime();
  }
}

function fire(entry: ScheduleEntry, due: Date, { store, onAccepted, log }: ScheduleParts): number {
  const { repository, workflow, cron } = entry;
  const [owner = "", name = ""] = repository.split("/");
  const accepted = store.deliveries.accept({
    guid: `schedule-${keyOf(entry)}-${due.toISOString().slice(0, 16)}`,
    event: "schedule",
    repository,
    identity: undefined,
    body: JSON.stringify({
      schedule: cron,
      workflow,
      repository: { full_name: repository, name, owner: { login: owner } },
    }),
    source: "schedule",
  });
  if (accepted.kind !== "accepted") return 0;
  log.info("schedule fired", { repository, workflow, cron });
  onAccepted();
  return 1;
}

function keyOf({ repository, workflow, cron, timezone }: ScheduleEntry): string {
  const text = [repository.toLowerCase(), workflow, cron, timezone ?? "UTC"].join("\0");
  return createHash("sha256").update(text).digest("hex").slice(0, 24);
}
