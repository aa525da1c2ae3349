/**
 * The index of the artifacts of this host: which artifact of which run is in which blob.
 * An artifact is reserved, then finished and never changed after that. A name is taken once in each attempt of a run; what an
 * earlier attempt left stays readable under its own id. Source: ACTIONS-CONTRACT §5.5.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { blobsOf, openIndexDatabase } from "./index-database.ts";
import type { Row } from "./index-database.ts";

export interface ArtifactStore extends Disposable {
  /** Undefined where the name is taken. */
  reserve(artifact: NewArtifact): Reservation | undefined;
  /** What the owner has reserved under this name and not finished. */
  reservation(owner: string, name: string): Reservation | undefined;
  /** How many the owner has made, finished or not, removed ones left out. */
  count(owner: string): number;
  /** False where there is no such reservation any more. */
  finish(id: number, content: { readonly sizeBytes: number; readonly sha256: string }): boolean;
  /** Gives up what the owner has reserved and not finished; answers its blobs. */
  abandon(owner: string): readonly string[];
  /** Finished and not expired, of all attempts, oldest first. */
  list(run: { readonly runId: string; readonly repository?: string }): readonly Artifact[];
  /** Of all runs, oldest first. */
  listAll(repository: string): readonly Artifact[];
  /** Undefined unless it is finished and not expired. */
  find(id: number): Artifact | undefined;
  /** Answers the blobs, which are no longer needed. */
  remove(ids: readonly number[]): readonly string[];
  removeRun(runId: string): readonly string[];
  /** Removes what has expired, and reservations of processes that were killed; answers the blobs. */
  collect(): readonly string[];
  /** Of all artifacts, finished or not. */
  blobs(): ReadonlySet<string>;
}

export interface RunOfRepository {
  /** `owner/name` in lower case. */
  readonly repository: string;
  /** In decimal, as `github.run_id`. */
  readonly runId: string;
}

export interface NewArtifact extends RunOfRepository {
  readonly attempt: number;
  readonly name: string;
  readonly mimeType: string;
  /** Who may finish it. */
  readonly owner: string;
  readonly jobBackendId: string;
  readonly expiresAtMs: number;
}

export interface Reservation {
  /** A positive integer, never used again. */
  readonly id: number;
  readonly blob: string;
}

export interface Artifact extends Reservation, RunOfRepository {
  readonly attempt: number;
  readonly name: string;
  readonly mimeType: string;
  readonly jobBackendId: string;
  readonly sizeBytes: number;
  /** In hex. */
  readonly sha256: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface ArtifactStoreOptions {
  readonly stateDir: string;
  /** Wall clock, in ms. */
  readonly now: () => number;
}

const FILE = "artifacts.db";
/** Longer than any job. */
const RESERVATION_MS = 48 * 3600_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS artifact (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repository TEXT NOT NULL,
    run_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    name TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    blob TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    job_backend_id TEXT NOT NULL,
    size_bytes INTEGER,
    sha256 TEXT,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    UNIQUE (repository, run_id, attempt, name)
  ) STRICT;
`;

const FINISHED = "SELECT * FROM artifact WHERE size_bytes IS NOT NULL AND expires_at_ms > ?";
const SQL = {
  insert: `INSERT INTO artifact
    (repository, run_id, attempt, name, mime_type, blob, owner, job_backend_id, created_at_ms, expires_at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (repository, run_id, attempt, name) DO NOTHING RETURNING id`,
  reserved: "SELECT id, blob FROM artifact WHERE owner = ? AND name = ? AND size_bytes IS NULL",
  count: "SELECT count(*) AS count FROM artifact WHERE owner = ?",
  finish: "UPDATE artifact SET size_bytes = ?, sha256 = ? WHERE id = ? AND size_bytes IS NULL",
  abandon: "DELETE FROM artifact WHERE owner = ? AND size_bytes IS NULL RETURNING blob",
  list: `${FINISHED} AND run_id = ? AND (? IS NULL OR repository = ?) ORDER BY id`,
  listAll: `${FINISHED} AND repository = ? ORDER BY id`,
  find: `${FINISHED} AND id = ?`,
  remove: "DELETE FROM artifact WHERE id = ? RETURNING blob",
  removeRun: "DELETE FROM artifact WHERE run_id = ? RETURNING blob",
  collect: `DELETE FROM artifact WHERE (size_bytes IS NOT NULL AND expires_at_ms <= ?)
    OR (size_bytes IS NULL AND created_at_ms < ?) RETURNING blob`,
  blobs: "SELECT blob FROM artifact",
};

/** Without making any: where no job has uploaded anything there is nothing to open. */
export function hasArtifacts(stateDir: string): boolean {
  return existsSync(join(stateDir, FILE));
}

export function openArtifactStore({ stateDir, now }: ArtifactStoreOptions): ArtifactStore {
  const { database, statements } = openIndexDatabase(join(stateDir, FILE), SCHEMA, SQL);
  return {
    reserve({ repository, runId, attempt, name, mimeType, owner, jobBackendId, expiresAtMs }) {
      const blob = randomUUID();
      const values = [repository, runId, attempt, name, mimeType, blob, owner, jobBackendId, now(), expiresAtMs];
      const row = statements.insert.get(...values);
      return row === undefined ? undefined : { id: Number(row["id"]), blob };
    },
    reservation(owner, name) {
      const row = statements.reserved.get(owner, name);
      return row === undefined ? undefined : { id: Number(row["id"]), blob: String(row["blob"]) };
    },
    count: (owner) => Number(statements.count.get(owner)?.["count"]),
    finish: (id, { sizeBytes, sha256 }) => statements.finish.run(sizeBytes, sha256, id).changes === 1,
    abandon: (owner) => blobsOf(statements.abandon.all(owner)),
    list: ({ repository = null, runId }) => statements.list.all(now(), runId, repository, repository).map(toArtifact),
    listAll: (repository) => statements.listAll.all(now(), repository).map(toArtifact),
    find(id) {
      const row = statements.find.get(now(), id);
      return row === undefined ? undefined : toArtifact(row);
    },
    remove: (ids) => ids.flatMap((id) => blobsOf(statements.remove.all(id))),
    removeRun: (runId) => blobsOf(statements.removeRun.all(runId)),
    collect: () => blobsOf(statements.collect.all(now(), now() - RESERVATION_MS)),
    blobs: () => new Set(blobsOf(statements.blobs.all())),
    [Symbol.dispose]: () => database.close(),
  };
}

function toArtifact(row: Row): Artifact {
  return {
    id: Number(row["id"]),
    blob: String(row["blob"]),
    repository: String(row["repository"]),
    runId: String(row["run_id"]),
    attempt: Number(row["attempt"]),
    name: String(row["name"]),
    mimeType: String(row["mime_type"]),
    jobBackendId: String(row["job_backend_id"]),
    sizeBytes: Number(row["size_bytes"]),
    sha256: String(row["sha256"]),
    createdAtMs: Number(row["created_at_ms"]),
    expiresAtMs: Number(row["expires_at_ms"]),
  };
}
