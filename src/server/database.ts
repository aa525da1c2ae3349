/**
 * The one SQLite file of a server: opened, checked, brought to this version's schema, and written in transactions that are on the disk
 * when they return (WAL, synchronous=FULL). After an error of the disk itself nothing is written any more: what SQLite has in memory and
 * what the disk has may differ, and only opening it again tells. Source: SECURITY-RELIABILITY F13-F18, A38; sqlite.org/wal.html.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { fp } from "./fail-point.ts";
import { MIGRATIONS } from "./migrations.ts";

export type Row = Readonly<Record<string, SQLOutputValue>>;

export interface Database extends Disposable {
  /** Rows of one statement, prepared once for each text. */
  all(sql: string, ...values: SQLInputValue[]): readonly Row[];
  get(sql: string, ...values: SQLInputValue[]): Row | undefined;
  /** Answers how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** All of `work` or nothing of it; durable when it returns. Not to be nested. */
  transaction<T>(work: () => T): T;
}

export interface DatabaseOptions {
  /** For tests: what leads to the schema. */
  readonly migrations?: readonly (readonly string[])[];
  /** Told once that the disk failed: this process can only end and be started again. */
  readonly onBroken?: ((error: EngineError) => void) | undefined;
}

const BUSY_TIMEOUT_MS = 5_000;
/** A server that was killed keeps the lock until the kernel has closed its ends. */
const LOCK_DEADLINE_MS = 3_000;

/**
 * Makes what is not there, the file readable by its owner alone. Throws STATE_UNREADABLE for a file that is damaged, is no database, or
 * was made by a later version; STATE_UNWRITABLE where it cannot be written. None of them changes the file.
 */
export function openDatabase(path: string, options: DatabaseOptions = {}): Database {
  const { migrations = MIGRATIONS, onBroken } = options;
  const database = openChecked(path, migrations.length);
  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  let broken: EngineError | undefined;
  const prepared = (sql: string) => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const made = database.prepare(sql);
    statements.set(sql, made);
    return made;
  };
  const attempt = <T>(work: () => T): T => {
    if (broken !== undefined) throw broken;
    try {
      return work();
    } catch (error) {
      const fault = faultOf(error, path);
      if (fault === undefined) throw error;
      if (fault.isOfDisk) {
        broken = fault.error;
        onBroken?.(fault.error);
      }
      throw fault.error;
    }
  };
  const transaction = <T>(work: () => T): T =>
    attempt(() => {
      database.exec("BEGIN IMMEDIATE");
      try {
        const result = work();
        database.exec("COMMIT");
        return result;
      } catch (error) {
        // Some errors, a full disk among them, have ended the transaction already.
        if (database.isTransaction) database.exec("ROLLBACK");
        throw error;
      }
    });
  try {
    for (let version = versionOf(database); version < migrations.length; version++) {
      transaction(() => {
        for (const statement of migrations[version] ?? []) {
          database.exec(statement);
          fp("in_migration");
        }
        database.exec(`PRAGMA user_version = ${version + 1}`);
      });
    }
  } catch (error) {
    database.close();
    throw error;
  }
  return {
    all: (sql, ...values) => attempt(() => prepared(sql).all(...values)),
    get: (sql, ...values) => attempt(() => prepared(sql).get(...values)),
    run: (sql, ...values) => attempt(() => Number(prepared(sql).run(...values).changes)),
    transaction,
    [Symbol.dispose]: () => database.close(),
  };
}

/** A column that holds a member of a closed set, which only this code ever writes. */
export function oneOf<T extends string>(values: readonly T[], value: SQLOutputValue | undefined): T {
  const found = values.find((member) => member === value);
  if (found === undefined) throw new Error(`The database holds ${String(value)}; there are ${values.join(", ")}`);
  return found;
}

/** One server for a state directory. Throws STATE_UNWRITABLE when another one has it; disposing lets the next one in. */
export async function lockState(directory: string): Promise<AsyncDisposable> {
  makePrivate(directory);
  const path = join(directory, "server.lock");
  try {
    return await lockFile(path, () => undefined, AbortSignal.timeout(LOCK_DEADLINE_MS));
  } catch (error) {
    if (!(error instanceof Error && error.name === "TimeoutError")) throw error;
    throw new EngineError("STATE_UNWRITABLE", `Cannot start a server on ${directory}: another one runs there`, {
      hint: "Stop it first, or name another state directory.",
    });
  }
}

function openChecked(path: string, newest: number): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    makePrivate(dirname(path));
    // SQLite would make it as the umask has it, and its other files as this one (A38).
    closeSync(openSync(path, "a", 0o600));
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    const [check] = Object.values(database.prepare("PRAGMA quick_check(1)").get() ?? {});
    if (check !== "ok") throw damaged(path, String(check));
    const version = versionOf(database);
    if (version > newest) {
      throw new EngineError("STATE_UNREADABLE", `Cannot use ${path}: a later version of Hearth made it`, {
        hint: `It has schema ${version}; this version knows ${newest}. Install that version, or restore a backup.`,
      });
    }
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof EngineError) throw error;
    throw (
      faultOf(error, path)?.error ?? unwritable(path, error instanceof Error ? error.message : String(error), error)
    );
  }
}

function makePrivate(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
}

/** sqlite.org/rescode.html, the low byte. */
const BUSY = 5;
const READ_ONLY = 8;
const IO_ERROR = 10;
const CORRUPT = 11;
const FULL = 13;
const NOT_A_DATABASE = 26;

/** Undefined: not SQLite's, or a fault of ours. */
function faultOf(
  error: unknown,
  path: string,
): { readonly error: EngineError; readonly isOfDisk: boolean } | undefined {
  if (!(error instanceof Error && "errcode" in error && typeof error.errcode === "number")) return undefined;
  switch (error.errcode & 0xff) {
    case BUSY:
      return { error: unwritable(path, "another process holds it", error), isOfDisk: false };
    case READ_ONLY:
      return { error: unwritable(path, "it is read-only", error), isOfDisk: false };
    case FULL:
      return { error: unwritable(path, "the disk is full", error), isOfDisk: false };
    case IO_ERROR:
      return { error: unwritable(path, `the disk fails (${error.message})`, error), isOfDisk: true };
    case CORRUPT:
    case NOT_A_DATABASE:
      return { error: damaged(path, error.message, error), isOfDisk: true };
    default:
      return undefined;
  }
}

function unwritable(path: string, reason: string, cause?: unknown): EngineError {
  return new EngineError("STATE_UNWRITABLE", `Cannot write ${path}: ${reason}`, { cause });
}

function damaged(path: string, reason: string, cause?: unknown): EngineError {
  return new EngineError("STATE_UNREADABLE", `Cannot use ${path}: it is damaged (${reason})`, {
    cause,
    hint: "Nothing was changed. Restore a backup, or move the file away to begin anew.",
  });
}
