/**
 * Unpacks a zip of unknown origin into a new directory: nothing is written outside of it, nothing in it is a link or a special file,
 * and what comes out is bounded by what went in. All of it or nothing (SECURITY-RELIABILITY A15, A16).
 * Source: PKWARE APPNOTE 6.3.10, §4.3 (layout), §4.5.3 (zip64).
 */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";

/** It is no zip, or one that is not unpacked here; says which entry and why. */
export class RefusedArchive extends Error {
  override readonly name = "RefusedArchive";
}

/** `directory` is made; an empty one may be there. Throws `RefusedArchive`, and what the file system says. */
export async function unzip(archive: string, directory: string): Promise<void> {
  await mkdir(dirname(directory), { recursive: true });
  // Beside its place, so that it gets there in one step.
  const partial = join(dirname(directory), `.${randomUUID()}.partial`);
  const file = await open(archive);
  try {
    const entries = await readEntries(file);
    await mkdir(partial);
    const places = new Set<string>();
    for (const entry of entries) await extract(file, entry, partial, places);
    await rename(partial, directory);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  } finally {
    await file.close();
  }
}

const MAX_ENTRIES = 200_000;
const MAX_DIRECTORY_BYTES = 64 << 20;
/** Text that compresses better than this is made for it. */
const MAX_RATIO = 200;
const FREE_BYTES = 100 << 20;
const MAX_PATH_BYTES = 1024;
const CHUNK_BYTES = 1 << 20;

const END = 0x06054b50;
const END_BYTES = 22;
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_END = 0x06064b50;
const ZIP64_END_BYTES = 56;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;
const IN_ZIP64_16 = 0xffff;
const IN_ZIP64_32 = 0xffffffff;
const FILE_TYPE = 0o170000;
const [REGULAR, DIRECTORY] = [0o100000, 0o040000];

interface Entry {
  readonly path: string;
  readonly isDirectory: boolean;
  readonly method: number;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly offset: number;
}

async function readEntries(file: FileHandle): Promise<readonly Entry[]> {
  const { size } = await file.stat();
  const { count, directoryBytes, directoryOffset } = await readEnd(file, size);
  if (count > MAX_ENTRIES) throw new RefusedArchive(`the archive has ${count} entries, more than ${MAX_ENTRIES}`);
  if (directoryBytes > MAX_DIRECTORY_BYTES) throw new RefusedArchive("the archive's directory is too long");
  const bytes = await readAt(file, directoryOffset, directoryBytes);
  const entries: Entry[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const { entry, next } = readEntry(bytes, at);
    entries.push(entry);
    at = next;
  }
  const out = sumOf(entries, ({ bytes }) => bytes);
  const allowed = size * MAX_RATIO + FREE_BYTES;
  if (out > allowed) throw new RefusedArchive(`the archive of ${size} bytes would become ${out}, more than ${allowed}`);
  // Entries that share their bytes would get around the ratio.
  if (sumOf(entries, ({ compressedBytes }) => compressedBytes) > size) {
    throw new RefusedArchive("entries of the archive overlap");
  }
  return entries;
}

async function readEnd(
  file: FileHandle,
  size: number,
): Promise<{ readonly count: number; readonly directoryBytes: number; readonly directoryOffset: number }> {
  const tailBytes = Math.min(size, END_BYTES + IN_ZIP64_16);
  const tail = await readAt(file, size - tailBytes, tailBytes);
  const at = tail.lastIndexOf(signature(END));
  if (at < 0 || at + END_BYTES > tail.length) throw new RefusedArchive("not a zip archive");
  const [count, directoryBytes, directoryOffset] = [
    tail.readUInt16LE(at + 10),
    tail.readUInt32LE(at + 12),
    tail.readUInt32LE(at + 16),
  ];
  const isZip64 = count === IN_ZIP64_16 || directoryBytes === IN_ZIP64_32 || directoryOffset === IN_ZIP64_32;
  if (!isZip64) return { count, directoryBytes, directoryOffset };
  const locatorAt = at - ZIP64_LOCATOR_BYTES;
  if (locatorAt < 0 || tail.readUInt32LE(locatorAt) !== ZIP64_LOCATOR) throw new RefusedArchive("not a zip archive");
  const end = await readAt(file, number64(tail, locatorAt + 8), ZIP64_END_BYTES);
  if (end.readUInt32LE(0) !== ZIP64_END) throw new RefusedArchive("not a zip archive");
  return { count: number64(end, 32), directoryBytes: number64(end, 40), directoryOffset: number64(end, 48) };
}

function readEntry(bytes: Buffer, at: number): { readonly entry: Entry; readonly next: number } {
  if (at + CENTRAL_BYTES > bytes.length || bytes.readUInt32LE(at) !== CENTRAL)
    throw new RefusedArchive("the archive's directory is broken");
  const [madeBy, flags, method] = [bytes.readUInt8(at + 5), bytes.readUInt16LE(at + 8), bytes.readUInt16LE(at + 10)];
  const [nameBytes, extraBytes] = [bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30)];
  const extraAt = at + CENTRAL_BYTES + nameBytes;
  const next = extraAt + extraBytes + bytes.readUInt16LE(at + 32);
  if (next > bytes.length) throw new RefusedArchive("the archive's directory is broken");
  const written = decodeName(bytes.subarray(at + CENTRAL_BYTES, extraAt));
  const path = written.replace(/\/$/, "");
  const why = objectionToPath(path);
  if (why !== undefined) throw refusedEntry(written, why);
  if ((flags & ENCRYPTED) !== 0) throw refusedEntry(written, "it is encrypted");
  if (method !== STORED && method !== DEFLATED) throw refusedEntry(written, `it is compressed by method ${method}`);
  // The upper half of the attributes is a Unix mode where a Unix made the archive, or one that writes as if.
  const type = (bytes.readUInt32LE(at + 38) >>> 16) & FILE_TYPE;
  const isDirectory = written !== path;
  const isPlain = type === 0 || (madeBy !== 3 && madeBy !== 19) || type === (isDirectory ? DIRECTORY : REGULAR);
  if (!isPlain) throw refusedEntry(written, "it is neither a file nor a directory");
  const sizes = readSizes(bytes, at, bytes.subarray(extraAt, extraAt + extraBytes));
  return { entry: { path, isDirectory, method, crc32: bytes.readUInt32LE(at + 16), ...sizes }, next };
}

/** The extra field 1 holds those that do not fit, in this order. */
function readSizes(bytes: Buffer, at: number, extra: Buffer): Pick<Entry, "bytes" | "compressedBytes" | "offset"> {
  const long = findExtra(extra, 1);
  let longAt = 0;
  const take = (short: number): number => {
    if (short !== IN_ZIP64_32) return short;
    if (long === undefined || longAt + 8 > long.length) throw new RefusedArchive("the archive's directory is broken");
    longAt += 8;
    return number64(long, longAt - 8);
  };
  const size = take(bytes.readUInt32LE(at + 24));
  const compressedBytes = take(bytes.readUInt32LE(at + 20));
  return { bytes: size, compressedBytes, offset: take(bytes.readUInt32LE(at + 42)) };
}

function findExtra(extra: Buffer, id: number): Buffer | undefined {
  for (let at = 0; at + 4 <= extra.length;) {
    const [found, length] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)];
    if (found === id) return extra.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
  return undefined;
}

/** Plain relative names only; what another system takes for a drive or a separator is not asked for by anybody honest. */
function objectionToPath(path: string): string | undefined {
  if (path === "" || Buffer.byteLength(path) > MAX_PATH_BYTES) return "its name is empty or too long";
  if (/[\\\p{Cc}]/u.test(path) || /^[a-z]:/i.test(path)) return "its name has characters that are not for names";
  const isInside = path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  return isInside ? undefined : "its name leads out of the directory";
}

async function extract(file: FileHandle, entry: Entry, directory: string, places: Set<string>): Promise<void> {
  const { path, isDirectory } = entry;
  // Two names that a file system takes for one would be written over one another.
  const place = path.normalize("NFC").toLowerCase();
  if (!isDirectory && places.has(place)) throw refusedEntry(path, "there is another of the same name");
  places.add(place);
  try {
    await mkdir(isDirectory ? join(directory, path) : dirname(join(directory, path)), { recursive: true });
    if (!isDirectory) await extractFile(file, entry, join(directory, path));
  } catch (error) {
    if (isCode(error, "EEXIST") || isCode(error, "ENOTDIR") || isCode(error, "EISDIR")) {
      throw refusedEntry(path, "there is another of the same name");
    }
    if (isCode(error, "ENAMETOOLONG")) throw refusedEntry(path, "its name is too long");
    if (error instanceof Error && "code" in error && String(error.code).startsWith("Z_")) {
      throw refusedEntry(path, "its bytes are damaged");
    }
    throw error;
  }
}

async function extractFile(file: FileHandle, entry: Entry, target: string): Promise<void> {
  const { path, offset, compressedBytes } = entry;
  const head = await readAt(file, offset, LOCAL_BYTES);
  if (head.readUInt32LE(0) !== LOCAL) throw refusedEntry(path, "it is not where the directory says");
  const start = offset + LOCAL_BYTES + head.readUInt16LE(26) + head.readUInt16LE(28);
  const to = createWriteStream(target, { flags: "wx" });
  const from = bytesOf(file, start, compressedBytes);
  if (entry.method === DEFLATED && compressedBytes > 0) await pipeline(from, createInflateRaw(), exactly(entry), to);
  else await pipeline(from, exactly(entry), to);
}

async function* bytesOf(file: FileHandle, start: number, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < length; at += CHUNK_BYTES) {
    yield await readAt(file, start + at, Math.min(CHUNK_BYTES, length - at));
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** Sizes and checksums in a directory are claims. */
function exactly({ path, bytes, crc32: expected }: Entry): Transform {
  let [seen, checksum] = [0, 0];
  return new Transform({
    transform(chunk: Buffer, _, done) {
      seen += chunk.length;
      checksum = crc32(chunk, checksum);
      if (seen > bytes) done(refusedEntry(path, "it is longer than the directory says"));
      else done(undefined, chunk);
    },
    flush(done) {
      if (seen !== bytes) done(refusedEntry(path, "its size is not what the directory says"));
      else done(checksum === expected ? undefined : refusedEntry(path, "its bytes are damaged"));
    },
  });
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead !== length) throw new RefusedArchive("the archive is cut off");
  return buffer;
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function number64(bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value)) throw new RefusedArchive("a size in the archive is out of range");
  return value;
}

function decodeName(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Old archives have names in a code page that they do not name.
    return bytes.toString("latin1");
  }
}

function refusedEntry(path: string, why: string): RefusedArchive {
  return new RefusedArchive(`entry ${JSON.stringify(path.slice(0, 200))}: ${why}`);
}

function sumOf(entries: readonly Entry[], of: (entry: Entry) => number): number {
  return entries.reduce((sum, entry) => sum + of(entry), 0);
}
