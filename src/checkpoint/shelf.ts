/**
 * The directory of the checkpoints: `index/<stem>` for each of them, `packs/<id>`, `work-*` for what is being written, `lock`. An index
 * is named for what it is the checkpoint of by a keyed hash, since job keys hold any text. An index names only packs that are there:
 * both are put there and taken away under the lock, packs first and last.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { lockFile } from "../lib/file-lock.ts";
import type { CheckpointName, StoredCheckpoint } from "./checkpoint.ts";
import { readFront } from "./index-file.ts";
import { nameContent } from "./sealed-object.ts";
import type { CheckpointKeys } from "./sealed-object.ts";

export interface Shelf {
  readonly directory: string;
  readonly keys: CheckpointKeys;
}

export interface KeptIndex {
  readonly stem: string;
  readonly packs: readonly string[];
  readonly sizeBytes: number;
  /** Undefined where this key does not open it. */
  readonly description: StoredCheckpoint | undefined;
  readonly writtenAtMs: number;
}

export interface Survey {
  /** Oldest first. */
  readonly indexes: readonly KeptIndex[];
  /** Sizes by id. */
  readonly packs: ReadonlyMap<string, number>;
}

export function checkpointsDirectory(stateDir: string): string {
  return join(stateDir, "checkpoints");
}

export function stemOf({ run, job, step }: CheckpointName, keys: CheckpointKeys): string {
  return nameContent(Buffer.from(JSON.stringify([run, job, step])), keys).toString("hex");
}

export function indexPath({ directory }: Shelf, stem: string): string {
  return join(directory, "index", stem);
}

export function packPath({ directory }: Shelf, id: string): string {
  return join(directory, "packs", id);
}

export function makeShelf({ directory }: Shelf): void {
  for (const part of ["index", "packs"]) mkdirSync(join(directory, part), { recursive: true, mode: 0o700 });
}

/** Of all processes of this host; also of two calls in one. */
export async function lockShelf({ directory }: Shelf): Promise<AsyncDisposable> {
  return lockFile(join(directory, "lock"), () => undefined, new AbortController().signal);
}

/** What goes away while this looks is left out. */
export function surveyShelf(shelf: Shelf): Survey {
  const indexes = namesIn(join(shelf.directory, "index")).map((stem) => lookAt(shelf, stem));
  return { indexes: indexes.filter((index) => index !== undefined).toSorted(byAge), packs: packSizes(shelf) };
}

export function packSizes(shelf: Shelf): ReadonlyMap<string, number> {
  const packs = new Map<string, number>();
  for (const id of namesIn(join(shelf.directory, "packs"))) {
    const stat = statSync(packPath(shelf, id), { throwIfNoEntry: false });
    if (stat !== undefined) packs.set(id, stat.size);
  }
  return packs;
}

export function bytesOf({ indexes, packs }: Survey): number {
  return [...indexes.map(({ sizeBytes }) => sizeBytes), ...packs.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Removes what no index names, and returns what is left. Under the lock. */
export function removeUnusedPacks(shelf: Shelf): Survey {
  const { indexes, packs } = surveyShelf(shelf);
  const used = new Set(indexes.flatMap((index) => index.packs));
  for (const id of packs.keys()) if (!used.has(id)) rmSync(packPath(shelf, id), { force: true });
  return { indexes, packs: new Map([...packs].filter(([id]) => used.has(id))) };
}

/** What was renamed into it stays there whatever happens. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function lookAt(shelf: Shelf, stem: string): KeptIndex | undefined {
  const path = indexPath(shelf, stem);
  try {
    return { stem, ...readFront(path, stem, shelf.keys), writtenAtMs: statSync(path).mtimeMs };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function byAge(a: KeptIndex, b: KeptIndex): number {
  const [first, second] = [a, b].map(({ description, writtenAtMs }) =>
    description === undefined ? writtenAtMs : Date.parse(description.at),
  );
  return (first ?? 0) - (second ?? 0) || (a.description?.step ?? 0) - (b.description?.step ?? 0);
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => /^[0-9a-f]{32}$/.test(name));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
