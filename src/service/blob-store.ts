/**
 * What jobs upload, on the host's disk. A blob is a directory: its blocks as they came, one file each, and when it is sealed a
 * manifest that says their order, so that nothing is copied together and no upload is ever held in memory.
 *
 *   uploads/<name>/0, 1, 2 …                  being written, by this process; gone with it
 *   <container>/<name>/0, 1, 2 … manifest     sealed: complete, and never changed again
 *
 * Sealing is one rename, so nobody sees half a blob. Names are UUIDs that the services made; what a job calls a thing is data in some
 * index and never a path (SECURITY-RELIABILITY A15-A17). Each block is kept with its checksum and checked when it is read whole: a
 * damaged blob breaks off, and what was not written before a power cut is found then.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readFile, readdir, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { constants } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { crc32 } from "node:zlib";

export interface BlobId {
  readonly container: "caches" | "artifacts";
  /** A UUID in lower case. */
  readonly name: string;
}

/** Any number of calls at once, also for one blob. Disposal removes what was not sealed. */
export interface BlobStore extends AsyncDisposable {
  /** Block ids are any text; one that comes again replaces the earlier. Blocks come in any order. */
  writeBlock(blob: BlobId, blockId: string, body: BlobBody): Promise<Written>;
  /** The blob is these blocks in this order, until it is committed again. */
  commit(blob: BlobId, blockIds: readonly string[], contentType: string | undefined): Committed;
  /** The blob in one piece: written and committed. */
  writeWhole(blob: BlobId, body: BlobBody, contentType: string | undefined): Promise<Written>;
  /** Bytes that are committed and not yet sealed. */
  committedBytes(blob: BlobId): number | undefined;
  /** Readable from now on, and never changed again. False when nothing was committed. */
  seal(blob: BlobId): Promise<boolean>;
  /** Undefined unless it is sealed and whole. */
  open(blob: BlobId): Promise<SealedBlob | undefined>;
  /** Sealed or not; one that is being read is read to its end. Safe when it is not there. */
  remove(blob: BlobId): Promise<void>;
  /** Sealed ones. */
  list(container: BlobId["container"]): Promise<readonly { readonly name: string; readonly sealedAtMs: number }[]>;
}

export interface BlobBody {
  readonly stream: AsyncIterable<Buffer>;
  /** As declared; a body of another length is refused. */
  readonly sizeBytes: number;
}

export type Written = { readonly kind: "written" } | { readonly kind: "refused"; readonly why: Refusal };
export type Committed =
  | { readonly kind: "committed" }
  | { readonly kind: "refused"; readonly why: "unknown block" | "too large" };
/** `broken`: the body ended early or its client is gone. */
export type Refusal = "too large" | "too many blocks" | "no space" | "sealed" | "broken";

export interface SealedBlob {
  readonly sizeBytes: number;
  readonly contentType: string | undefined;
  readonly sealedAtMs: number;
  /** Bytes `from` up to and without `to`. Throws `DamagedBlob`, also in the middle. */
  read(from: number, to: number): AsyncGenerator<Buffer>;
}

export class DamagedBlob extends Error {
  override readonly name = "DamagedBlob";
}

export interface BlobStoreOptions {
  readonly directory: string;
  /** Wall clock, in ms. */
  readonly now: () => number;
  readonly limits?: Partial<BlobLimits>;
}

export interface BlobLimits {
  readonly blobBytes: number;
  /** All that is not sealed, of one machine. */
  readonly pendingBytes: number;
  readonly blocksPerBlob: number;
  readonly pendingBlocks: number;
  readonly pendingBlobs: number;
  /** What is left on the disk for others. */
  readonly freeBytes: number;
  /** What another process left behind unsealed is collected after this. */
  readonly abandonedAfterMs: number;
}

const LIMITS: BlobLimits = {
  blobBytes: 10 * 1024 ** 3,
  pendingBytes: 20 * 1024 ** 3,
  // Azure's own.
  blocksPerBlob: 50_000,
  pendingBlocks: 100_000,
  pendingBlobs: 1_000,
  freeBytes: 1024 ** 3,
  abandonedAfterMs: 24 * 3600_000,
};

interface Block {
  readonly file: string;
  readonly sizeBytes: number;
  readonly crc32: number;
}

interface Upload {
  readonly directory: string;
  readonly blocks: Map<string, Block>;
  committed: { readonly blocks: readonly Block[]; readonly contentType: string | undefined } | undefined;
  /** Files that were begun: names the next one, and counts as blocks do. */
  begun: number;
  /** Of blocks that are there or coming. */
  bytes: number;
  readonly writing: Set<Promise<unknown>>;
  /** Sealed or removed: what is still coming is refused. */
  readonly closed: AbortController;
}

interface Manifest {
  readonly contentType?: string | undefined;
  readonly sealedAtMs: number;
  readonly blocks: readonly Block[];
}

const MANIFEST = "manifest.json";
const NAME = /^[0-9a-f-]{36}$/;
const READ_BYTES = 1 << 18;

export function createBlobStore({ directory, now, limits: given }: BlobStoreOptions): BlobStore {
  const limits = { ...LIMITS, ...given };
  const uploadsDirectory = join(directory, "uploads");
  const uploads = new Map<string, Upload>();
  let prepared: Promise<void> | undefined;
  const prepare = async (): Promise<void> => {
    await mkdir(uploadsDirectory, { recursive: true, mode: 0o700 });
    await collectAbandoned(uploadsDirectory, now() - limits.abandonedAfterMs);
  };
  const sealedDirectory = ({ container, name }: BlobId): string => join(directory, container, checked(name));

  /** The upload under this name, begun when there is none. */
  const uploadOf = (blob: BlobId): Upload | Refusal => {
    const known = uploads.get(blob.name);
    if (known !== undefined) return known.closed.signal.aborted ? "sealed" : known;
    if (uploads.size >= limits.pendingBlobs) return "too many blocks";
    const upload: Upload = {
      directory: join(uploadsDirectory, checked(blob.name)),
      blocks: new Map(),
      committed: undefined,
      begun: 0,
      bytes: 0,
      writing: new Set(),
      closed: new AbortController(),
    };
    uploads.set(blob.name, upload);
    return upload;
  };

  const objection = async (upload: Upload, sizeBytes: number): Promise<Refusal | undefined> => {
    const pending = [...uploads.values()];
    const sum = (of: (one: Upload) => number): number => pending.reduce((total, one) => total + of(one), 0);
    if (upload.bytes + sizeBytes > limits.blobBytes) return "too large";
    if (upload.begun >= limits.blocksPerBlob || sum(({ begun }) => begun) >= limits.pendingBlocks)
      return "too many blocks";
    if (sum(({ bytes }) => bytes) + sizeBytes > limits.pendingBytes) return "no space";
    // Reserved before the wait, so that bodies that come at once are all counted.
    upload.bytes += sizeBytes;
    const { bavail, bsize } = await statfs(uploadsDirectory);
    if (bavail * bsize >= sizeBytes + limits.freeBytes) return undefined;
    upload.bytes -= sizeBytes;
    return "no space";
  };

  const write = async (blob: BlobId, body: BlobBody): Promise<{ upload: Upload; block: Block } | Refusal> => {
    await (prepared ??= prepare());
    if (await isThere(sealedDirectory(blob))) return "sealed";
    const upload = uploadOf(blob);
    if (typeof upload === "string") return upload;
    const why = await objection(upload, body.sizeBytes);
    if (why !== undefined) return why;
    const file = String(upload.begun);
    upload.begun += 1;
    const writing = writeFileOf(upload, file, body);
    upload.writing.add(writing);
    const outcome = await writing.finally(() => upload.writing.delete(writing));
    if (typeof outcome !== "string") return { upload, block: outcome };
    upload.bytes -= body.sizeBytes;
    await rm(join(upload.directory, file), { force: true });
    return upload.closed.signal.aborted ? "sealed" : outcome;
  };

  return {
    async writeBlock(blob, blockId, body) {
      const outcome = await write(blob, body);
      if (typeof outcome === "string") return { kind: "refused", why: outcome };
      const { upload, block } = outcome;
      const replaced = upload.blocks.get(blockId);
      upload.blocks.set(blockId, block);
      if (replaced !== undefined && upload.committed?.blocks.includes(replaced) !== true) {
        upload.bytes -= replaced.sizeBytes;
        await rm(join(upload.directory, replaced.file), { force: true });
      }
      return { kind: "written" };
    },
    commit(blob, blockIds, contentType) {
      const upload = uploads.get(blob.name);
      const blocks = blockIds.map((id) => upload?.blocks.get(id));
      if (upload === undefined || !areKnown(blocks)) return { kind: "refused", why: "unknown block" };
      // One block may be named many times.
      if (sizeOf(blocks) > limits.blobBytes) return { kind: "refused", why: "too large" };
      upload.committed = { blocks, contentType };
      return { kind: "committed" };
    },
    async writeWhole(blob, body, contentType) {
      const outcome = await write(blob, body);
      if (typeof outcome === "string") return { kind: "refused", why: outcome };
      outcome.upload.committed = { blocks: [outcome.block], contentType };
      return { kind: "written" };
    },
    committedBytes(blob) {
      const committed = uploads.get(blob.name)?.committed;
      return committed && sizeOf(committed.blocks);
    },
    async seal(blob) {
      const upload = uploads.get(blob.name);
      if (upload?.committed === undefined || upload.closed.signal.aborted) return false;
      const { blocks, contentType } = upload.committed;
      await close(upload);
      const kept = new Set(blocks.map(({ file }) => file));
      for (const file of await readdir(upload.directory)) {
        if (!kept.has(file)) await rm(join(upload.directory, file), { force: true });
      }
      const manifest: Manifest = { contentType, sealedAtMs: now(), blocks };
      await writeFile(join(upload.directory, MANIFEST), JSON.stringify(manifest), { mode: 0o600, flag: "wx" });
      await mkdir(join(directory, blob.container), { recursive: true, mode: 0o700 });
      await rename(upload.directory, sealedDirectory(blob));
      uploads.delete(blob.name);
      return true;
    },
    open: (blob) => openSealed(sealedDirectory(blob)),
    async remove(blob) {
      const upload = uploads.get(blob.name);
      if (upload !== undefined) {
        await close(upload);
        uploads.delete(blob.name);
        await rm(upload.directory, { recursive: true, force: true });
      }
      await rm(sealedDirectory(blob), { recursive: true, force: true });
    },
    async list(container) {
      const names = await namesIn(join(directory, container));
      const found = await Promise.all(
        names.map(async (name) => ({ name, sealedAtMs: await modifiedAtMs(join(directory, container, name)) })),
      );
      return found.flatMap(({ name, sealedAtMs }) => (sealedAtMs === undefined ? [] : [{ name, sealedAtMs }]));
    },
    async [Symbol.asyncDispose]() {
      const left = [...uploads.values()];
      uploads.clear();
      await Promise.all(left.map(close));
      await Promise.all(left.map(({ directory }) => rm(directory, { recursive: true, force: true })));
    },
  };
}

/** Resolves when nothing is written any more. */
async function close({ closed, writing }: Upload): Promise<void> {
  closed.abort();
  await Promise.allSettled(writing);
}

async function writeFileOf(upload: Upload, file: string, { stream, sizeBytes }: BlobBody): Promise<Block | Refusal> {
  let bytes = 0;
  let checksum = 0;
  try {
    await mkdir(upload.directory, { recursive: true, mode: 0o700 });
    await pipeline(
      stream,
      async function* (source: AsyncIterable<Buffer>) {
        for await (const chunk of source) {
          bytes += chunk.length;
          if (bytes > sizeBytes) throw new Error("longer than declared");
          checksum = crc32(chunk, checksum);
          yield chunk;
        }
      },
      createWriteStream(join(upload.directory, file), { flags: "wx", mode: 0o600, highWaterMark: READ_BYTES }),
      { signal: upload.closed.signal },
    );
  } catch (error) {
    if (isCode(error, "ENOSPC") || isCode(error, "EDQUOT")) return "no space";
    return "broken";
  }
  return bytes === sizeBytes ? { file, sizeBytes, crc32: checksum } : "broken";
}

async function openSealed(directory: string): Promise<SealedBlob | undefined> {
  const manifest = await readManifest(join(directory, MANIFEST));
  if (manifest === undefined) return undefined;
  const { contentType, sealedAtMs, blocks } = manifest;
  return {
    sizeBytes: sizeOf(blocks),
    contentType,
    sealedAtMs,
    async *read(from, to) {
      let start = 0;
      for (const block of blocks) {
        const [first, last] = [Math.max(from - start, 0), Math.min(to - start, block.sizeBytes)];
        if (first < last) yield* readBlock(directory, block, first, last);
        start += block.sizeBytes;
      }
    },
  };
}

async function* readBlock(directory: string, block: Block, from: number, to: number): AsyncGenerator<Buffer> {
  const isWhole = from === 0 && to === block.sizeBytes;
  let checksum = 0;
  let bytes = 0;
  // A link in place of a block would lead out of the store.
  const handle = await open(join(directory, block.file), constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    (cause: unknown) => {
      throw new DamagedBlob(`block ${block.file} cannot be read`, { cause });
    },
  );
  const chunks: AsyncIterable<Buffer> = createReadStream("", {
    fd: handle,
    start: from,
    end: to - 1,
    highWaterMark: READ_BYTES,
  });
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (isWhole) checksum = crc32(chunk, checksum);
    // The end of a damaged block is withheld, so that its reader sees too little and not all of it.
    if (isWhole && bytes === block.sizeBytes && checksum !== block.crc32) break;
    yield chunk;
  }
  if (bytes !== to - from || (isWhole && checksum !== block.crc32))
    throw new DamagedBlob(`block ${block.file} is damaged`);
}

/** Undefined for one that is not there, or was cut off by the end of the host. */
async function readManifest(path: string): Promise<Manifest | undefined> {
  try {
    const manifest: Manifest = JSON.parse(await readFile(path, "utf8"));
    return manifest;
  } catch (error) {
    if (error instanceof SyntaxError || isCode(error, "ENOENT") || isCode(error, "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Uploads of processes that were killed. Theirs go with them otherwise. */
async function collectAbandoned(directory: string, beforeMs: number): Promise<void> {
  for (const name of await namesIn(directory)) {
    const path = join(directory, name);
    // A directory's time is that of the last block begun in it.
    const at = await modifiedAtMs(path);
    if (at !== undefined && at < beforeMs) await rm(path, { recursive: true, force: true });
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => NAME.test(name));
  } catch (error) {
    if (isCode(error, "ENOENT")) return [];
    throw error;
  }
}

async function modifiedAtMs(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await modifiedAtMs(path)) !== undefined;
}

/** What becomes a path is asked again where it does. */
function checked(name: string): string {
  if (!NAME.test(name)) throw new Error(`Blob names are UUIDs, not ${JSON.stringify(name.slice(0, 64))}`);
  return name;
}

function areKnown(blocks: readonly (Block | undefined)[]): blocks is readonly Block[] {
  return blocks.every((block) => block !== undefined);
}

function sizeOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
