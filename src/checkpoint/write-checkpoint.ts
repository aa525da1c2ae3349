/**
 * Keeps what lies in a directory as a checkpoint: cuts its files, puts the chunks that no pack has into a new one, and publishes both
 * under the lock. Chunks of other packs are relied on without the lock; where such a pack has gone or changed by then, all is written
 * once more while the lock is held.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import type { CheckpointDescription, StoredCheckpoint } from "./checkpoint.ts";
import { encodeIndex } from "./index-file.ts";
import type { MachineFile, Reference } from "./index-file.ts";
import type { KnownChunks } from "./known-chunks.ts";
import { keepWithin } from "./make-room.ts";
import { writeAll, writePack } from "./pack-file.ts";
import { cutPages } from "./page-chunks.ts";
import { nameContent } from "./sealed-object.ts";
import { indexPath, lockShelf, packPath, stemOf, syncDirectory } from "./shelf.ts";
import type { Shelf } from "./shelf.ts";

export interface KeepRequest {
  readonly description: CheckpointDescription;
  readonly engine: Buffer;
  /** Of the machine's files, which do not change any more. */
  readonly source: string;
  /** Empty, on the file system of the shelf; whoever calls removes it. */
  readonly work: string;
  readonly limitBytes: number;
}

/** Throws STATE_UNWRITABLE where it is over the limit alone, and what the file system does; in either case nothing is left but in `work`. */
export async function writeCheckpoint(
  shelf: Shelf,
  known: KnownChunks,
  request: KeepRequest,
): Promise<StoredCheckpoint> {
  const before = writeParts(shelf, known, request);
  await using lock = await lockShelf(shelf);
  const parts = before.stands() ? before : writeParts(shelf, known, request);
  const stored = publish(shelf, parts, request);
  keepWithin(shelf, request.limitBytes, { stem: parts.stem, run: request.description.run });
  return stored;
}

interface Parts {
  readonly stem: string;
  readonly index: Buffer;
  /** Id of the new pack, which lies in `work` under it; undefined where others have all chunks. */
  readonly added: string | undefined;
  readonly packBytes: number;
  readonly machineBytes: number;
  /** Whether the packs of others that it relies on are still what they were. */
  readonly stands: () => boolean;
}

function writeParts({ keys }: Shelf, known: KnownChunks, request: KeepRequest): Parts {
  const { source, work, description, engine, limitBytes } = request;
  known.refresh();
  const id = randomBytes(16).toString("hex");
  const path = join(work, id);
  const numbers = new Map<string, number>();
  /** The pack of each chunk, by its name. */
  const used = new Map<string, string>();
  const files: MachineFile[] = [];
  const references: Reference[] = [];
  let neededBytes = 0;
  const writer = writePack(path, id, keys);
  try {
    for (const file of filesBelow(source)) {
      const first = references.length;
      let bytes = 0;
      for (const piece of piecesOf(join(source, file), keys.seed)) {
        if (piece.kind === "zeros") {
          bytes += piece.length;
          references.push(piece);
          continue;
        }
        const name = nameContent(piece.bytes, keys);
        const text = name.toString("latin1");
        bytes += piece.bytes.length;
        const pack = used.get(text) ?? known.find(text)?.pack ?? id;
        if (!used.has(text)) {
          // Of another's pack it needs only this: what else is in there goes when room is needed.
          neededBytes += known.find(text)?.bytes ?? writer.add(name, piece.bytes);
          used.set(text, pack);
        }
        if (neededBytes > limitBytes) throw overLimit(request);
        if (!numbers.has(pack)) numbers.set(pack, numbers.size);
        references.push({ kind: "chunk", pack: numbers.get(pack) ?? 0, name });
      }
      files.push({ path: file, bytes, pieces: references.length - first });
    }
    if (writer.chunks > 0) writer.finish();
  } finally {
    writer.close();
  }
  const packs = [...numbers.keys()];
  const packBytes = writer.chunks > 0 ? statSync(path).size : 0;
  const machineBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const stem = stemOf(description, keys);
  const index = encodeIndex(
    stem,
    packs,
    { ...description, machineBytes, packBytes },
    { engine, files, references },
    keys,
  );
  if (writer.chunks === 0) rmSync(path);
  if (neededBytes + index.length > limitBytes) throw overLimit(request);
  return {
    stem,
    index,
    added: writer.chunks > 0 ? id : undefined,
    packBytes,
    machineBytes,
    stands: known.relyOn(packs.filter((pack) => pack !== id)),
  };
}

/** Under the lock. It is there from the moment the index is renamed; until then its pack is one that nobody uses. */
function publish(shelf: Shelf, parts: Parts, { description, work }: KeepRequest): StoredCheckpoint {
  const { stem, index, added, packBytes, machineBytes } = parts;
  const path = join(work, "index");
  const file = openSync(path, "w", 0o600);
  try {
    writeAll(file, index);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  if (added !== undefined) {
    renameSync(join(work, added), packPath(shelf, added));
    syncDirectory(join(shelf.directory, "packs"));
  }
  renameSync(path, indexPath(shelf, stem));
  syncDirectory(join(shelf.directory, "index"));
  return { ...description, machineBytes, addedBytes: packBytes + index.length };
}

function* piecesOf(path: string, seed: number): ReturnType<typeof cutPages> {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    yield* cutPages((into) => readSync(file, into), seed);
  } finally {
    closeSync(file);
  }
}

/** Relative paths, in one order always. Throws for what is neither file nor directory: it could not be put back. */
function filesBelow(directory: string, below = ""): readonly string[] {
  const entries = readdirSync(join(directory, below), { withFileTypes: true });
  return entries
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) return filesBelow(directory, path);
      if (!entry.isFile()) throw new Error(`${path} of a saved machine is neither a file nor a directory`);
      return [path];
    });
}

function overLimit({ limitBytes }: KeepRequest): EngineError {
  const mib = Math.floor(limitBytes / 1024 ** 2);
  return new EngineError(
    "STATE_UNWRITABLE",
    `Cannot keep a checkpoint: it alone is larger than ${mib} MiB, the limit of all`,
    {
      hint: "HEARTH_CHECKPOINTS_MIB sets the limit.",
    },
  );
}
