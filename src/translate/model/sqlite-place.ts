/** Accepted answers in `translations.db` of the state directory, for all Hearth processes of a person. Opened when first asked. */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { CachePlace } from "./answer-cache.ts";

const BUSY_TIMEOUT_MS = 1_000;
const KEPT_FOR_DAYS = 180;
const DAY_MS = 24 * 3600_000;

const SCHEMA = `CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY,
  manifest TEXT NOT NULL,
  used_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`;

/** `now` in ms. */
export function createSqlitePlace(path: string, now: () => number): CachePlace {
  let opened: DatabaseSync | undefined;
  const database = (): DatabaseSync => (opened ??= open(path, now()));
  return {
    async get(key) {
      const row = database()
        .prepare("UPDATE answers SET used_at_ms = ? WHERE key = ? RETURNING manifest")
        .get(now(), key);
      return row === undefined ? undefined : String(row["manifest"]);
    },
    async set(key, manifest) {
      database()
        .prepare("INSERT OR REPLACE INTO answers (key, manifest, used_at_ms) VALUES (?, ?, ?)")
        .run(key, manifest, now());
    },
    async close() {
      opened?.close();
      opened = undefined;
    },
  };
}

function open(path: string, nowMs: number): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // SQLite would make it as the umask has it; the directory may be one that others read.
  closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
  database.exec(SCHEMA);
  database.prepare("DELETE FROM answers WHERE used_at_ms < ?").run(nowMs - KEPT_FOR_DAYS * DAY_MS);
  return database;
}
