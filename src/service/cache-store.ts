/**
 * The index of the caches of this host: which entry of which repository, ref, key and version is in which blob.
 * An entry is reserved, then complete, and never changed after that. It goes when nothing has asked for it for a week, and when its
 * repository has more than its share, the least recently used first. What strangers saved has a share of its own, so that they
 * cannot push out anybody else's (SECURITY-RELIABILITY A26). Source: ACTIONS-CONTRACT §5.3.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { blobsOf, openIndexDatabase } from "./index-database.ts";
import type { Row } from "./index-database.ts";

export interface CacheStore extends Disposable {
  /** Undefined where the entry is there, or is being made. */
  reserve(entry: NewEntry): Reservation | undefined;
  /** The reservations of this owner that are neither complete nor abandoned. */
  reservations(owner: string): readonly Reservation[];
  /** Names of the blobs that had to go for it. Undefined where there is no such reservation any more. */
  complete(id: number, sizeBytes: number): readonly string[] | undefined;
  /** Gives up what the owner has reserved and not completed; answers its blobs. */
  abandon(owner: string): readonly string[];
  /** The first that is found, scope by scope: the key itself, else the newest of those that begin with it; then the next key. */
  find(wanted: Wanted): CacheEntry | undefined;
  /** It was given to somebody: counts as its last use. */
  touch(id: number): void;
  /** Complete ones, least recently used last. */
  list(): readonly CacheEntry[];
  /** Names of the blobs that are no longer needed. */
  remove(ids: readonly number[]): readonly string[];
  /** Removes what is too old; answers its blobs. */
  collect(): readonly string[];
  /** Blobs that belong to an entry, complete or not. */
  blobs(): ReadonlySet<string>;
}

export interface NewEntry {
  /** `owner/name` in lower case. */
  readonly repository: string;
  readonly scope: string;
  readonly key: string;
  readonly version: string;
  readonly trusted: boolean;
  /** Who may complete it. */
  readonly owner: string;
}

export interface Reservation {
  /** A positive integer, never used again. */
  readonly id: number;
  readonly blob: string;
  readonly key: string;
  readonly version: string;
}

export interface CacheEntry {
  readonly id: number;
  readonly repository: string;
  readonly scope: string;
  readonly key: string;
  readonly version: string;
  readonly blob: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
}

export interface Wanted {
  readonly repository: string;
  readonly version: string;
  readonly scopes: readonly string[];
  readonly keys: readonly string[];
}

export interface CacheLimits {
  /** Of each repository. */
  readonly repositoryBytes: number;
  /** Since it was last used. */
  readonly ageMs: number;
}

export interface CacheStoreOptions {
  readonly stateDir: string;
  /** Wall clock, in ms. */
  readonly now: () => number;
  readonly limits: CacheLimits;
}

/** What strangers may fill of what a repository may have, beside it. */
const UNTRUSTED_SHARE = 5;
const MAX_ENTRIES = 10_000;
/** A job gives its reservations up when it ends; this is for those whose process was killed. */
const RESERVATION_MS = 3600_000;
/** In the state directory. */
export const CACHE_INDEX = "caches.db";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repository TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL,
    blob TEXT NOT NULL UNIQUE,
    trusted INTEGER NOT NULL,
    owner TEXT NOT NULL,
    size_bytes INTEGER,
    created_at_ms INTEGER NOT NULL,
    used_at_ms INTEGER NOT NULL,
    UNIQUE (repository, scope, version, key)
  ) STRICT;
`;

const COLUMNS = "id, repository, scope, key, version, blob, size_bytes, created_at_ms, used_at_ms";
const COMPLETE = `SELECT ${COLUMNS} FROM entry WHERE size_bytes IS NOT NULL`;
const SQL = {
  exact: "SELECT id FROM entry WHERE repository = ? AND scope = ? AND version = ? AND key = ?",
  insert: `INSERT INTO entry (repository, scope, key, version, blob, trusted, owner, created_at_ms, used_at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
  reserved: "SELECT id, blob, key, version FROM entry WHERE owner = ? AND size_bytes IS NULL",
  complete: `UPDATE entry SET size_bytes = ?, created_at_ms = ?, used_at_ms = ? WHERE id = ? AND size_bytes IS NULL
    RETURNING repository, trusted`,
  abandon: "DELETE FROM entry WHERE owner = ? AND size_bytes IS NULL RETURNING blob",
  exactComplete: `${COMPLETE} AND repository = ? AND scope = ? AND version = ? AND key = ?`,
  // Ids rise in the order of creation.
  newestWithPrefix: `${COMPLETE} AND repository = ? AND scope = ? AND version = ? AND substr(key, 1, length(?)) = ?
    ORDER BY id DESC LIMIT 1`,
  touch: "UPDATE entry SET used_at_ms = ? WHERE id = ?",
  list: `${COMPLETE} ORDER BY used_at_ms DESC, id DESC`,
  held: `SELECT count(*) AS entries, coalesce(sum(size_bytes), 0) AS bytes FROM entry
    WHERE size_bytes IS NOT NULL AND repository = ? AND trusted = ?`,
  evictOne: `DELETE FROM entry WHERE id = (SELECT id FROM entry
    WHERE size_bytes IS NOT NULL AND repository = ? AND trusted = ? ORDER BY used_at_ms, id LIMIT 1)
    RETURNING blob, size_bytes`,
  remove: "DELETE FROM entry WHERE id = ? RETURNING blob",
  deleteOld: `DELETE FROM entry WHERE (size_bytes IS NULL AND created_at_ms < ?) OR (size_bytes IS NOT NULL AND used_at_ms < ?)
    RETURNING blob`,
  blobs: "SELECT blob FROM entry",
};

export function openCacheStore({ stateDir, now, limits }: CacheStoreOptions): CacheStore {
  const { database, statements } = openIndexDatabase(join(stateDir, CACHE_INDEX), SCHEMA, SQL);

  const collect = (): string[] => blobsOf(statements.deleteOld.all(now() - RESERVATION_MS, now() - limits.ageMs));
  /** Least recently used first, until what is left fits. */
  const evict = (repository: string, trusted: number): string[] => {
    const limitBytes = trusted === 1 ? limits.repositoryBytes : limits.repositoryBytes / UNTRUSTED_SHARE;
    const evicted: string[] = [];
    const held = statements.held.get(repository, trusted);
    let [bytes, entries] = [Number(held?.["bytes"]), Number(held?.["entries"])];
    while (bytes > limitBytes || entries > MAX_ENTRIES) {
      const last = statements.evictOne.get(repository, trusted);
      if (last === undefined) break;
      evicted.push(String(last["blob"]));
      bytes -= Number(last["size_bytes"]);
      entries -= 1;
    }
    return evicted;
  };

  return {
    reserve: ({ repository, scope, key, version, trusted, owner }) =>
      atomically(database, () => {
        // One whose process was killed stands in the way no longer than this. Its blob is collected as nobody's.
        statements.deleteOld.all(now() - RESERVATION_MS, now() - limits.ageMs);
        if (statements.exact.get(repository, scope, version, key) !== undefined) return undefined;
        const blob = randomUUID();
        const row = statements.insert.get(repository, scope, key, version, blob, trusted ? 1 : 0, owner, now(), now());
        return { id: Number(row?.["id"]), blob, key, version };
      }),
    reservations: (owner) => statements.reserved.all(owner).map(toReservation),
    complete: (id, sizeBytes) =>
      atomically(database, () => {
        const row = statements.complete.get(sizeBytes, now(), now(), id);
        if (row === undefined) return undefined;
        return [...collect(), ...evict(String(row["repository"]), Number(row["trusted"]))];
      }),
    abandon: (owner) => blobsOf(statements.abandon.all(owner)),
    find({ repository, version, scopes, keys }) {
      for (const scope of scopes) {
        for (const key of keys) {
          const row =
            statements.exactComplete.get(repository, scope, version, key) ??
            statements.newestWithPrefix.get(repository, scope, version, key, key);
          if (row !== undefined) return toEntry(row);
        }
      }
      return undefined;
    },
    touch: (id) => void statements.touch.run(now(), id),
    list: () => statements.list.all().map(toEntry),
    remove: (ids) => ids.flatMap((id) => blobsOf(statements.remove.all(id))),
    collect,
    blobs: () => new Set(blobsOf(statements.blobs.all())),
    [Symbol.dispose]: () => database.close(),
  };
}

/** All of it or nothing, and no other process in between. */
function atomically<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function toReservation(row: Row): Reservation {
  return {
    id: Number(row["id"]),
    blob: String(row["blob"]),
    key: String(row["key"]),
    version: String(row["version"]),
  };
}

function toEntry(row: Row): CacheEntry {
  return {
    ...toReservation(row),
    repository: String(row["repository"]),
    scope: String(row["scope"]),
    sizeBytes: Number(row["size_bytes"]),
    createdAtMs: Number(row["created_at_ms"]),
    usedAtMs: Number(row["used_at_ms"]),
  };
}
