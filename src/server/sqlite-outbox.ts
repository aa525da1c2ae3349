/** What is still to be told to GitHub, in SQLite: one row for each key. `server-store.ts` says what each method promises. */
import { oneOf } from "./database.ts";
import type { Database, Row } from "./database.ts";
import type { NewReport, Outbox, Report } from "./server-store.ts";

export function createOutbox(database: Database): Outbox {
  return {
    put: (report) => database.transaction(() => putReport(database, report)),
    due: (nowMs, limit) =>
      database
        .all("SELECT * FROM reports WHERE abandoned = 0 AND due_ms <= ? ORDER BY id LIMIT ?", nowMs, limit)
        .map(reportOf),
    sent(id) {
      database.run("DELETE FROM reports WHERE id = ?", id);
    },
    failed(id, { atMs, error }) {
      database.run("UPDATE reports SET tries = tries + 1, due_ms = ?, error = ? WHERE id = ?", atMs, error, id);
    },
    abandon(id, error) {
      database.run("UPDATE reports SET abandoned = 1, error = ? WHERE id = ?", error, id);
    },
    size: () => Number(database.get("SELECT count(*) AS n FROM reports WHERE abandoned = 0")?.["n"]),
    prune: (keep) =>
      database.run(
        "DELETE FROM reports WHERE abandoned = 1 AND id NOT IN (SELECT id FROM reports WHERE abandoned = 1 ORDER BY id DESC LIMIT ?)",
        keep,
      ),
  };
}

/** Within the caller's transaction. The new row has a new id: who was sending the old one can no longer say that it was sent. */
export function putReport(database: Database, { key, kind, repository, body }: NewReport): void {
  database.run("DELETE FROM reports WHERE key = ?", key);
  database.run("INSERT INTO reports (key, kind, repository, body) VALUES (?, ?, ?, ?)", key, kind, repository, body);
}

const KINDS = ["check_run", "status", "comment"] as const;

function reportOf(row: Row): Report {
  const { id, key, kind, repository, body, tries } = row;
  return {
    id: Number(id),
    key: String(key),
    kind: oneOf(KINDS, kind),
    repository: String(repository),
    body: String(body),
    tries: Number(tries),
  };
}
