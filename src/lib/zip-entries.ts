/**
 * What is in a zip of unknown origin, and its bytes. What comes out is bounded by what went in, and nothing that the archive says of
 * itself is believed: sizes and checksums are counted, entries share no bytes (SECURITY-RELIABILITY A16). Files are made by
 * others, who ask for `objection` first.
 * Source: PKWARE APPNOTE 6.3.10, §4.3 (layout), §4.5.3 (zip64).
 */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";

/** It is no zip, or one that is not read here; says which entry and why. */
export class RefusedArchive extends Error {
  override readonly name: string = "RefusedArchive";
}

/** It may be an honest one, and is larger than is read here. */
export class OversizedArchive extends RefusedArchive {
  override readonly name = "OversizedArchive";
}

/** Can be read from anywhere: a file, a blob. `read` gives bytes `from` up to and without `to`. */
export interface ZipBytes {
  readonly sizeBytes: number;
  read(from: number, to: number): AsyncIterable<Buffer>;
}

export interface ZipEntry {
  /** As it is written; the slash behind a directory's is taken off. */
  readonly path: string;
  readonly isDirectory: boolean;
  /** Why no file may be made of it: it would lie outside, be a link or a device, or not be where it is said to be. */
  readonly objection: string | undefined;
  readonly isEncrypted: boolean;
  readonly method: number;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  readonly offset: number;
}

const MAX_ENTRIES = 200_000;
const MAX_DIRECTORY_BYTES = 64 << 20;
/** Text that compresses better than this is made for it. */
const MAX_RATIO = 200;
const FREE_BYTES = 100 << 20;
const MAX_PATH_BYTES = 1024;
const CHUNK_BYTES = 1 << 18;
/** Entries below this are inflated at once: a stream for each of 100,000 files costs more than they do. */
const SMALL_BYTES = 1 << 18;

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

/** In the order of the archive's directory. Throws `RefusedArchive`, and what `read` throws. */
export async function readZipEntries(zip: ZipBytes): Promise<readonly ZipEntry[]> {
  const { sizeBytes } = zip;
  const { count, directoryBytes, directoryOffset } = await readEnd(zip);
  if (count > MAX_ENTRIES) throw new OversizedArchive(`the archive has ${count} entries, more than ${MAX_ENTRIES}`);
  if (directoryBytes > MAX_DIRECTORY_BYTES) throw new OversizedArchive("the archive's directory is too long");
  const bytes = await readAt(zip, directoryOffset, directoryBytes);
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const { entry, next } = readEntry(bytes, at);
    entries.push(entry);
    at = next;
  }
  const out = sumOf(entries, (entry) => entry.sizeBytes);
  const allowed = sizeBytes * MAX_RATIO + FREE_BYTES;
  if (out > allowed) {
    throw new OversizedArchive(`the archive of ${sizeBytes} bytes would become ${out}, more than ${allowed}`);
  }
  // Entries that share their bytes would get around the ratio.
  if (sumOf(entries, ({ compressedBytes }) => compressedBytes) > sizeBytes) {
    throw new RefusedArchive("entries of the archive overlap");
  }
  return entries;
}

/** In chunks; breaks off with `RefusedArchive` where the directory has not said the truth about them. */
export async function* readZipEntry(zip: ZipBytes, entry: ZipEntry): AsyncGenerator<Buffer> {
  const { path, offset, compressedBytes, isEncrypted, method } = entry;
  if (isEncrypted) throw refusedEntry(path, "it is encrypted");
  if (method !== STORED && method !== DEFLATED) throw refusedEntry(path, `it is compressed by method ${method}`);
  const head = await readAt(zip, offset, LOCAL_BYTES);
  if (head.readUInt32LE(0) !== LOCAL) throw refusedEntry(path, "it is not where the directory says");
  const start = offset + LOCAL_BYTES + head.readUInt16LE(26) + head.readUInt16LE(28);
  if (start + compressedBytes > zip.sizeBytes) throw cutOff();
  const compressed = zip.read(start, start + compressedBytes);
  yield* exactly(entry, method === STORED || compressedBytes === 0 ? compressed : inflate(entry, compressed));
}

export function refusedEntry(path: string, why: string): RefusedArchive {
  return new RefusedArchive(`entry ${JSON.stringify(path.slice(0, 200))}: ${why}`);
}

async function readEnd(
  zip: ZipBytes,
): Promise<{ readonly count: number; readonly directoryBytes: number; readonly directoryOffset: number }> {
  const tailBytes = Math.min(zip.sizeBytes, END_BYTES + IN_ZIP64_16);
  const tail = await readAt(zip, zip.sizeBytes - tailBytes, tailBytes);
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
  const end = await readAt(zip, number64(tail, locatorAt + 8), ZIP64_END_BYTES);
  if (end.readUInt32LE(0) !== ZIP64_END) throw new RefusedArchive("not a zip archive");
  return { count: number64(end, 32), directoryBytes: number64(end, 40), directoryOffset: number64(end, 48) };
}

function readEntry(bytes: Buffer, at: number): { readonly entry: ZipEntry; readonly next: number } {
  if (at + CENTRAL_BYTES > bytes.length || bytes.readUInt32LE(at) !== CENTRAL)
    throw new RefusedArchive("the archive's directory is broken");
  const [madeBy, flags, method] = [bytes.readUInt8(at + 5), bytes.readUInt16LE(at + 8), bytes.readUInt16LE(at + 10)];
  const [nameBytes, extraBytes] = [bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30)];
  const extraAt = at + CENTRAL_BYTES + nameBytes;
  const next = extraAt + extraBytes + bytes.readUInt16LE(at + 32);
  if (next > bytes.length) throw new RefusedArchive("the archive's directory is broken");
  const written = decodeName(bytes.subarray(at + CENTRAL_BYTES, extraAt));
  const path = written.replace(/\/$/, "");
  const isDirectory = written !== path;
  // The upper half of the attributes is a Unix mode where a Unix made the archive, or one that writes as if.
  const type = (bytes.readUInt32LE(at + 38) >>> 16) & FILE_TYPE;
  const isPlain = type === 0 || (madeBy !== 3 && madeBy !== 19) || type === (isDirectory ? DIRECTORY : REGULAR);
  const entry: ZipEntry = {
    path,
    isDirectory,
    objection: objectionToPath(path) ?? (isPlain ? undefined : "it is neither a file nor a directory"),
    isEncrypted: (flags & ENCRYPTED) !== 0,
    method,
    crc32: bytes.readUInt32LE(at + 16),
    ...readSizes(bytes, at, bytes.subarray(extraAt, extraAt + extraBytes)),
  };
  return { entry, next };
}

/** The extra field 1 holds those that do not fit, in this order. */
function readSizes(
  bytes: Buffer,
  at: number,
  extra: Buffer,
): Pick<ZipEntry, "sizeBytes" | "compressedBytes" | "offset"> {
  const long = findExtra(extra, 1);
  let longAt = 0;
  const take = (short: number): number => {
    if (short !== IN_ZIP64_32) return short;
    if (long === undefined || longAt + 8 > long.length) throw new RefusedArchive("the archive's directory is broken");
    longAt += 8;
    return number64(long, longAt - 8);
  };
  const sizeBytes = take(bytes.readUInt32LE(at + 24));
  const compressedBytes = take(bytes.readUInt32LE(at + 20));
  return { sizeBytes, compressedBytes, offset: take(bytes.readUInt32LE(at + 42)) };
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

/** Sizes and checksums in a directory are claims. */
async function* exactly(
  { path, sizeBytes, crc32: expected }: ZipEntry,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  let [seen, checksum] = [0, 0];
  for await (const chunk of chunks) {
    seen += chunk.length;
    checksum = crc32(chunk, checksum);
    if (seen > sizeBytes) throw longer(path);
    yield chunk;
  }
  if (seen !== sizeBytes) throw refusedEntry(path, "its size is not what the directory says");
  if (checksum !== expected) throw damaged(path);
}

function inflate(entry: ZipEntry, from: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  return entry.compressedBytes + entry.sizeBytes < SMALL_BYTES
    ? inflateAtOnce(entry, from)
    : inflateStream(entry, from);
}

async function* inflateAtOnce({ path, sizeBytes }: ZipEntry, from: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const compressed = await whole(from);
  try {
    yield inflateRawSync(compressed, { maxOutputLength: Math.max(1, sizeBytes) });
  } catch (error) {
    if (isCode(error, "ERR_BUFFER_TOO_LARGE")) throw longer(path);
    throw isCode(error, "Z_") ? damaged(path) : error;
  }
}

async function* inflateStream({ path }: ZipEntry, from: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const inflated = createInflateRaw({ chunkSize: CHUNK_BYTES });
  // What breaks it breaks the reading below too.
  pipeline(Readable.from(from), inflated).catch(() => undefined);
  try {
    yield* inflated;
  } catch (error) {
    throw isCode(error, "Z_") ? damaged(path) : error;
  }
}

function longer(path: string): RefusedArchive {
  return refusedEntry(path, "it is longer than the directory says");
}

function damaged(path: string): RefusedArchive {
  return refusedEntry(path, "its bytes are damaged");
}

function cutOff(): RefusedArchive {
  return new RefusedArchive("the archive is cut off");
}

async function readAt(zip: ZipBytes, position: number, length: number): Promise<Buffer> {
  if (position < 0 || position + length > zip.sizeBytes) throw cutOff();
  return whole(zip.read(position, position + length));
}

/** `node:stream/consumers` takes a way through a Blob, which is felt with 100,000 entries. */
async function whole(from: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of from) chunks.push(chunk);
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
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

/** Of an error that Node made; a part of the code will do. */
function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith(code);
}

function sumOf(entries: readonly ZipEntry[], of: (entry: ZipEntry) => number): number {
  return entries.reduce((sum, entry) => sum + of(entry), 0);
}
