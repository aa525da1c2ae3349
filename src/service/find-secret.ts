/**
 * Looks into what a job uploaded for secrets of its run, before anybody can have it: uploads by mistake are how tokens in a
 * `.git/config` get into artifacts. Entries of a zip are inflated, what is gzip or zstd as a whole is decompressed; what lies compressed
 * deeper is not looked into, nor is what only its maker can read. A net for mistakes, no boundary (SECURITY-RELIABILITY A20).
 *
 * Whatever bytes come, the work is bounded by their number: by the limits of `zip-entries.ts`, or their like.
 */
import { Readable } from "node:stream";
import type { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { ByteLimit } from "../lib/byte-limit.ts";
import { OversizedArchive, readZipEntries, readZipEntry, RefusedArchive } from "../lib/zip-entries.ts";
import type { ZipBytes, ZipEntry } from "../lib/zip-entries.ts";
import type { SealedBlob } from "./blob-store.ts";
import type { SecretScan } from "./services.ts";

export type Search =
  | { readonly kind: "clean" }
  /** In a zip the path of the entry, unless that holds it itself. Never the secret. */
  | { readonly kind: "found"; readonly path: string | undefined }
  /** Nothing was looked at. */
  | { readonly kind: "too large"; readonly message: string };

type StartScan = () => SecretScan;

const CLEAN: Search = { kind: "clean" };
/** First bytes of what is looked into: APPNOTE §4.3.7, RFC 1952 §2.3.1, RFC 8878 §3.1.1. */
const ZIP = 0x04034b50;
const GZIP = 0x8b1f;
const ZSTD = 0xfd2fb528;
const MAX_RATIO = 200;
const FREE_BYTES = 100 << 20;
const CHUNK_BYTES = 1 << 18;

/** Throws what reading the blob throws. */
export async function findSecret(blob: SealedBlob, startScan: StartScan): Promise<Search> {
  const head = await headOf(blob);
  if (head.length === 4 && head.readUInt32LE(0) === ZIP) return findSecretInZip(blob, startScan);
  const decompressor = decompressorOf(head);
  if (decompressor === undefined) return searchPieces(blob.read(0, blob.sizeBytes), startScan());
  const limit = new ByteLimit(blob.sizeBytes * MAX_RATIO + FREE_BYTES);
  const fed = pipeline(Readable.from(blob.read(0, blob.sizeBytes)), decompressor, limit).catch(
    (error: unknown) => error,
  );
  try {
    return await searchPieces(limit, startScan());
  } catch (error) {
    if (limit.isExceeded) return { kind: "too large", message: `decompressed, ${String(error)}` };
    // Damaged, or only seems to be compressed.
    if (isZlibError(await fed)) return searchPieces(blob.read(0, blob.sizeBytes), startScan());
    throw error;
  }
}

/** What is no zip that can be read is searched as it is. */
async function findSecretInZip(blob: SealedBlob, startScan: StartScan): Promise<Search> {
  try {
    return await searchEntries(blob, startScan);
  } catch (error) {
    if (error instanceof OversizedArchive) return { kind: "too large", message: error.message };
    if (!(error instanceof RefusedArchive)) throw error;
    return searchPieces(blob.read(0, blob.sizeBytes), startScan());
  }
}

async function searchEntries(blob: SealedBlob, startScan: StartScan): Promise<Search> {
  const entries = await readZipEntries(blob);
  await using zip = forward(blob);
  let unread: RefusedArchive | undefined;
  for (const entry of entries.toSorted((a, b) => a.offset - b.offset)) {
    if (startScan()(Buffer.from(entry.path))) return { kind: "found", path: undefined };
    try {
      if (await holdsSecret(zip, entry, startScan())) return { kind: "found", path: entry.path };
    } catch (error) {
      if (!(error instanceof RefusedArchive)) throw error;
      unread ??= error;
    }
  }
  // Then the rest of the archive is searched as it is.
  if (unread !== undefined) throw unread;
  return CLEAN;
}

async function holdsSecret(zip: ZipBytes, entry: ZipEntry, scan: SecretScan): Promise<boolean> {
  for await (const piece of readZipEntry(zip, entry)) if (scan(piece)) return true;
  return false;
}

async function searchPieces(pieces: AsyncIterable<Buffer>, scan: SecretScan): Promise<Search> {
  for await (const piece of pieces) if (scan(piece)) return { kind: "found", path: undefined };
  return CLEAN;
}

/** Reads the blob once, from front to back: to open its files anew for each of 100,000 entries takes minutes. */
function forward(blob: SealedBlob): ZipBytes & AsyncDisposable {
  const { sizeBytes } = blob;
  const pieces = blob.read(0, sizeBytes);
  let rest: Buffer = Buffer.alloc(0);
  let position = 0;
  /** At least one byte. */
  const take = async (most: number): Promise<Buffer> => {
    const next = rest.length > 0 ? undefined : await pieces.next();
    if (next?.done === true) throw new Error("a blob is as long as it says");
    const piece: Buffer = next?.value ?? rest;
    rest = piece.subarray(most);
    return piece.subarray(0, most);
  };
  return {
    sizeBytes,
    async *read(from, to) {
      if (from < position) throw new RefusedArchive("entries of the archive overlap");
      for (; position < to;) {
        const piece = await take((position < from ? from : to) - position);
        position += piece.length;
        if (position > from) yield piece;
      }
    },
    [Symbol.asyncDispose]: async () => void (await pieces.return(undefined)),
  };
}

async function headOf(blob: SealedBlob): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of blob.read(0, Math.min(4, blob.sizeBytes))) pieces.push(piece);
  return Buffer.concat(pieces);
}

function decompressorOf(head: Buffer): Transform | undefined {
  if (head.length < 4) return undefined;
  if (head.readUInt16LE(0) === GZIP) return createGunzip({ chunkSize: CHUNK_BYTES });
  return head.readUInt32LE(0) === ZSTD ? createZstdDecompress({ chunkSize: CHUNK_BYTES }) : undefined;
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^(?:Z_|ZSTD_)/.test(String(error.code));
}
