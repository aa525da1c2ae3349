/**
 * The SQLite files of `artifact-store.ts` and `cache-store.ts`: rows that say what is in which blob. SQLite, because several Hearth
 * processes ask at once and a reservation must be one step; every call is short and done at once.
 */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { SQLOutputValue, StatementSync } from "node:sqlite";

export type Row = Readonly<Record<string, SQLOutputValue>>;

export interface IndexDatabase<Name extends string> {
  readonly database: DatabaseSync;
  readonly statements: { readonly [name in Name]: StatementSync };
}

const BUSY_TIMEOUT_MS = 5_000;

/** Makes what is not there. `schema` must be safe to run again. */
export function openIndexDatabase<Name extends string>(
  path: string,
  schema: string,
  sql: { readonly [name in Name]: string },
): IndexDatabase<Name> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // SQLite would make it as the umask has it, and its other files as this one; the directory may be one that others read (A38).
  closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
  database.exec(schema);
  const prepared = Object.entries<string>(sql).map(([name, text]) => [name, database.prepare(text)]);
  const statements: { readonly [name in Name]: StatementSync } = Object.fromEntries(prepared);
  return { database, statements };
}

export function blobsOf(rows: readonly Row[]): string[] {
  return rows.map((row) => String(row["blob"]));
}
