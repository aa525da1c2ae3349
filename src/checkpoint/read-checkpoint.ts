/**
 * Puts a checkpoint's files back. Packs are opened before the first byte is read, so that a removal meanwhile takes nothing away; zeros
 * become holes.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import type { CheckpointName, StoredCheckpoint } from "./checkpoint.ts";
import { readIndex } from "./index-file.ts";
import type { CheckpointContent, Reference } from "./index-file.ts";
import { readPack, writeAll } from "./pack-file.ts";
import type { PackReader } from "./pack-file.ts";
import { indexPath, isMissing, packPath, stemOf } from "./shelf.ts";
import type { Shelf } from "./shelf.ts";

export interface ReadCheckpoint {
  readonly description: StoredCheckpoint;
  readonly engine: Buffer;
}

/** Undefined when there is none. Throws CHECKPOINT_UNUSABLE, and what the file system does; `target` then holds some of it. */
export function readCheckpoint(shelf: Shelf, checkpoint: CheckpointName, target: string): ReadCheckpoint | undefined {
  // Once more when a pack is gone: the checkpoint was replaced, or removed, after its index was read.
  return readOnce(shelf, checkpoint, target, "again") ?? readOnce(shelf, checkpoint, target, "unusable");
}

function readOnce(
  shelf: Shelf,
  checkpoint: CheckpointName,
  target: string,
  onMissingPack: "again" | "unusable",
): ReadCheckpoint | undefined {
  const stem = stemOf(checkpoint, shelf.keys);
  const index = unlessMissing(() => readIndex(indexPath(shelf, stem), stem, shelf.keys));
  if (index === undefined) return undefined;
  const { description, content } = index;
  if (description === undefined || content === undefined) {
    throw unusable(checkpoint, "its index was changed, or is another key's");
  }
  using packs = new DisposableStack();
  const readers: PackReader[] = [];
  for (const [number, id] of index.packs.entries()) {
    const opened = unlessMissing(() => ({ pack: readPack(packPath(shelf, id), id, shelf.keys) }));
    if (opened === undefined && onMissingPack === "again") return undefined;
    if (opened?.pack === undefined)
      throw unusable(checkpoint, `a pack of it is ${opened ? "damaged" : "missing"}: ${id}`);
    readers[number] = packs.use(opened.pack);
  }
  if (!writeFiles(content, readers, target)) throw unusable(checkpoint, "a part of its machine is damaged or missing");
  return { description, engine: content.engine };
}

/** False where a piece is not what it should be. */
function writeFiles({ files, references }: CheckpointContent, packs: readonly PackReader[], target: string): boolean {
  let first = 0;
  for (const { path, bytes, pieces } of files) {
    const own = references.slice(first, first + pieces);
    first += pieces;
    mkdirSync(join(target, dirname(path)), { recursive: true, mode: 0o700 });
    const file = openSync(join(target, path), "wx", 0o600);
    try {
      ftruncateSync(file, bytes);
      if (own.length !== pieces || writePieces(file, own, packs) !== bytes) return false;
    } finally {
      closeSync(file);
    }
  }
  return first === references.length;
}

/** Undefined as `writeFiles` says, else how long they are together. */
function writePieces(file: number, pieces: readonly Reference[], packs: readonly PackReader[]): number | undefined {
  let at = 0;
  for (const piece of pieces) {
    if (piece.kind === "zeros") {
      at += piece.length;
      continue;
    }
    const pack = packs[piece.pack];
    const place = pack?.places.get(piece.name.toString("latin1"));
    const bytes = place && pack?.read(piece.name, place);
    if (bytes === undefined) return undefined;
    writeAll(file, bytes, at);
    at += bytes.length;
  }
  return at;
}

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function unusable({ run, job, step }: CheckpointName, reason: string): EngineError {
  return new EngineError(
    "CHECKPOINT_UNUSABLE",
    `Cannot use the checkpoint of run ${run}, job ${JSON.stringify(job)}, step ${step}: ${reason}`,
    { hint: "`hearth checkpoints rm` removes it; earlier ones may still be whole." },
  );
}
