/** Deliveries in SQLite; `server-store.ts` says what each method promises. */
import { oneOf } from "./database.ts";
import type { Database, Row } from "./database.ts";
import { fp } from "./fail-point.ts";
import type {
  Accepted,
  Deliveries,
  Delivery,
  DeliverySummary,
  NewDelivery,
  NewReport,
  ServerRun,
} from "./server-store.ts";
import { insertRun, runsOf } from "./sqlite-runs.ts";
import { putReport } from "./sqlite-outbox.ts";

/** A GUID is known for so long, whatever is pruned (A02). */
export const GUIDS_KEPT_MS = 30 * 24 * 3_600_000;

const COLUMNS = "d.id, guid, event, repository, identity, source, received_ms, state, reason";
const WITH_BODY = `SELECT ${COLUMNS}, coalesce(body, '') AS body FROM deliveries d LEFT JOIN bodies b ON b.delivery = d.id`;

export function createDeliveries(database: Database, now: () => number): Deliveries {
  const acceptAll = (deliveries: readonly NewDelivery[]): readonly Accepted[] =>
    database.transaction(() => {
      const accepted = deliveries.map((delivery) => acceptOne(database, delivery, now()));
      fp("in_accept");
      return accepted;
    });
  return {
    acceptAll,
    accept: (delivery) =>
      database.transaction(() => {
        const accepted = acceptOne(database, delivery, now());
        fp("in_accept");
        return accepted;
      }),
    next(except = []) {
      const row = database.get(
        `${WITH_BODY} WHERE state = 'received' AND d.id NOT IN (SELECT value FROM json_each(?)) ORDER BY d.id LIMIT 1`,
        JSON.stringify(except),
      );
      return row && deliveryOf(row);
    },
    waiting: () => Number(database.get("SELECT count(*) AS n FROM deliveries WHERE state = 'received'")?.["n"]),
    settle: (id, end, reportsOf) =>
      database.transaction(() => {
        const reason = end.state === "planned" ? null : end.reason;
        const changed = database.run(
          "UPDATE deliveries SET state = ?, reason = ? WHERE id = ? AND state = 'received'",
          end.state,
          reason,
          id,
        );
        if (changed === 1 && end.state === "planned") {
          const inserted = end.runs.map((run) => insertRun(database, id, run, now()));
          putReports(database, inserted, reportsOf);
        }
        fp("in_settle");
        return runsOf(database, id);
      }),
    find(guid) {
      const row = database.get(`${WITH_BODY} WHERE guid = ?`, guid);
      return row && deliveryOf(row);
    },
    get(id) {
      const row = database.get(`${WITH_BODY} WHERE d.id = ?`, id);
      return row && deliveryOf(row);
    },
    list: (limit) =>
      database.all(`SELECT ${COLUMNS} FROM deliveries d ORDER BY d.id DESC LIMIT ?`, limit).map(summaryOf),
    prune: (beforeMs) =>
      database.transaction(() => {
        const rows = database.run(
          `DELETE FROM deliveries AS d WHERE received_ms < ? AND ${IS_OVER}`,
          Math.min(beforeMs, now() - GUIDS_KEPT_MS),
        );
        const bodies = database.run(
          `DELETE FROM bodies WHERE delivery IN (SELECT id FROM deliveries AS d WHERE received_ms < ? AND ${IS_OVER})`,
          beforeMs,
        );
        return rows + bodies;
      }),
  };
}

const IS_OVER =
  "d.state <> 'received' AND NOT EXISTS (SELECT 1 FROM runs WHERE delivery = d.id AND runs.state <> 'completed')";

function putReports(
  database: Database,
  runs: readonly (ServerRun | undefined)[],
  reportsOf: ((run: ServerRun) => readonly NewReport[]) | undefined,
): void {
  for (const run of runs) {
    if (run === undefined) continue;
    for (const report of reportsOf?.(run) ?? []) putReport(database, report);
  }
}

function acceptOne(database: Database, delivery: NewDelivery, nowMs: number): Accepted {
  const { guid, event, repository, identity = null, body, source } = delivery;
  const same = database.get("SELECT id FROM deliveries WHERE guid = ?", guid);
  if (same !== undefined) return { kind: "duplicate", of: Number(same["id"]) };
  const replayed =
    identity === null
      ? undefined
      : database.get(
          "SELECT id FROM deliveries WHERE repository = ? AND event = ? AND identity = ?",
          repository,
          event,
          identity,
        );
  if (replayed !== undefined) return { kind: "replay", of: Number(replayed["id"]) };
  const row = database.get(
    "INSERT INTO deliveries (guid, event, repository, identity, source, received_ms) VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
    guid,
    event,
    repository,
    identity,
    source,
    nowMs,
  );
  const id = Number(row?.["id"]);
  database.run("INSERT INTO bodies (delivery, body) VALUES (?, ?)", id, body);
  return { kind: "accepted", id };
}

const SOURCES = ["webhook", "missed", "hook", "api", "schedule"] as const;
const STATES = ["received", "planned", "ignored", "refused"] as const;

function deliveryOf(row: Row): Delivery {
  return { ...summaryOf(row), body: String(row["body"]) };
}

function summaryOf(row: Row): DeliverySummary {
  const { id, guid, event, repository, identity, source, received_ms, state, reason } = row;
  return {
    id: Number(id),
    guid: String(guid),
    event: String(event),
    repository: String(repository),
    identity: identity === null ? undefined : String(identity),
    source: oneOf(SOURCES, source),
    receivedAtMs: Number(received_ms),
    state: oneOf(STATES, state),
    reason: reason === null ? undefined : String(reason),
  };
}
