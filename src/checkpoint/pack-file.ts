/**
 * A pack: the encrypted chunks that one checkpoint was the first to hold, in one file. Layout: `HEARTHP1`, the chunks one after the other,
 * each compressed and sealed as its own name, a table (name and length of each, in order) sealed as this pack's, length of the table (4 bytes, little
 * endian). A chunk's name is the keyed hash of its content.
 */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { compress, decompress } from "./compressed.ts";
import { MAX_CHUNK_BYTES } from "./page-chunks.ts";
import { NAME_BYTES, openObject, sealObject } from "./sealed-object.ts";
import type { CheckpointKeys } from "./sealed-object.ts";

const MAGIC = Buffer.from("HEARTHP1");
const ENTRY_BYTES = NAME_BYTES + 4;
const BUFFER_BYTES = 1 << 20;

export interface PackWriter {
  /** Returns how many bytes it has become. */
  add(name: Buffer, chunk: Buffer): number;
  /** Of a chunk that is sealed already: it is bound to its name, not to a pack. */
  addSealed(name: Buffer, sealed: Buffer): void;
  readonly chunks: number;
  /** On the disk to stay when this returns: its bytes, not its directory's. */
  finish(): void;
  /** Safe after `finish`, and twice. */
  close(): void;
}

export function writePack(path: string, id: string, keys: CheckpointKeys): PackWriter {
  const file = openSync(path, "wx", 0o600);
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  const entries: Buffer[] = [];
  let filled = 0;
  let isOpen = true;
  const flush = (): void => {
    writeAll(file, buffer.subarray(0, filled));
    filled = 0;
  };
  const write = (bytes: Buffer): void => {
    if (bytes.length > buffer.length - filled) flush();
    if (bytes.length > buffer.length) writeAll(file, bytes);
    else filled += bytes.copy(buffer, filled);
  };
  const addSealed = (name: Buffer, sealed: Buffer): void => {
    write(sealed);
    const entry = Buffer.alloc(ENTRY_BYTES);
    name.copy(entry);
    entry.writeUInt32LE(sealed.length, NAME_BYTES);
    entries.push(entry);
  };
  write(MAGIC);
  return {
    add(name, chunk) {
      const sealed = sealObject(compress(chunk), asChunk(name), keys);
      addSealed(name, sealed);
      return sealed.length;
    },
    addSealed,
    get chunks() {
      return entries.length;
    },
    finish() {
      const table = sealObject(Buffer.concat(entries), asTable(id), keys);
      write(table);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(table.length);
      write(length);
      flush();
      fsyncSync(file);
    },
    close() {
      if (isOpen) closeSync(file);
      isOpen = false;
    },
  };
}

export interface PackReader extends Disposable {
  readonly sizeBytes: number;
  /** Where a chunk is, by its name as latin1. */
  readonly places: ReadonlyMap<string, ChunkPlace>;
  /** Undefined where it was changed. */
  read(name: Buffer, place: ChunkPlace): Buffer | undefined;
  readSealed(place: ChunkPlace): Buffer;
}

export interface ChunkPlace {
  readonly offset: number;
  /** Sealed. */
  readonly length: number;
}

/** Undefined where it is no pack of this name and key, or its table was changed; throws what the file system does. */
export function readPack(path: string, id: string, keys: CheckpointKeys): PackReader | undefined {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  let isOpen = true;
  const close = (): void => {
    if (isOpen) closeSync(file);
    isOpen = false;
  };
  try {
    const sizeBytes = fstatSync(file).size;
    const places = readTable(file, sizeBytes, id, keys);
    if (places === undefined) {
      close();
      return undefined;
    }
    const readSealed = ({ offset, length }: ChunkPlace): Buffer => readAt(file, offset, length);
    return {
      sizeBytes,
      places,
      readSealed,
      read(name, place) {
        const chunk = openObject(readSealed(place), asChunk(name), keys);
        return chunk && decompress(chunk, MAX_CHUNK_BYTES);
      },
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function readTable(
  file: number,
  sizeBytes: number,
  id: string,
  keys: CheckpointKeys,
): ReadonlyMap<string, ChunkPlace> | undefined {
  if (sizeBytes < MAGIC.length + 4 || !readAt(file, 0, MAGIC.length).equals(MAGIC)) return undefined;
  const length = readAt(file, sizeBytes - 4, 4).readUInt32LE();
  const tableAt = sizeBytes - 4 - length;
  if (tableAt < MAGIC.length) return undefined;
  const table = openObject(readAt(file, tableAt, length), asTable(id), keys);
  if (table === undefined) return undefined;
  const places = new Map<string, ChunkPlace>();
  let offset = MAGIC.length;
  for (let at = 0; at < table.length; at += ENTRY_BYTES) {
    const sealedLength = table.readUInt32LE(at + NAME_BYTES);
    places.set(table.toString("latin1", at, at + NAME_BYTES), { offset, length: sealedLength });
    offset += sealedLength;
  }
  // Cut out or put in between.
  return offset === tableAt ? places : undefined;
}

function asChunk(name: Buffer): Buffer {
  return Buffer.concat([Buffer.from("chunk "), name]);
}

function asTable(id: string): Buffer {
  return Buffer.from(`pack ${id}`);
}

/** Shorter where the file ends. */
export function readAt(file: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(file, bytes, filled, length - filled, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

export function writeAll(file: number, bytes: Uint8Array, position: number | null = null): void {
  let written = 0;
  while (written < bytes.length) {
    const at = position === null ? null : position + written;
    written += writeSync(file, bytes, written, bytes.length - written, at);
  }
}
