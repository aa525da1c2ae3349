/**
 * Archives of tools: zip (Go modules, wheels) and gzipped tar (npm packages, releases), read whole from memory. They were made by
 * others: what would land outside is refused, sizes are bounded.
 */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { unpackTar } from "modern-tar/fs";
import { readZipEntries, readZipEntry } from "../lib/zip-entries.ts";
import type { ZipBytes } from "../lib/zip-entries.ts";

const MAX_ENTRIES = 200_000;
const MAX_TOTAL_BYTES = 4 * 2 ** 30;

/** Where an entry goes, relative to the directory, and whether it can be run; undefined: it is left out. */
export type Placing = (name: string) => { readonly path: string; readonly executable: boolean } | undefined;

export interface ToolFile {
  readonly name: string;
  /** Throws where the archive has not said the truth about it. */
  readonly content: () => Promise<Buffer>;
}

/** Without directories. Throws for what is no archive. */
export async function readZip(bytes: Buffer): Promise<readonly ToolFile[]> {
  const zip: ZipBytes = {
    sizeBytes: bytes.length,
    async *read(from, to) {
      yield bytes.subarray(from, to);
    },
  };
  const files = (await readZipEntries(zip)).filter(({ isDirectory }) => !isDirectory);
  return files.map((entry) => ({
    name: entry.path,
    content: () => buffer(readZipEntry(zip, entry)),
  }));
}

/** Go's proxy and wheels keep no modes, so `place` says them. */
export async function unpackZip(bytes: Buffer, directory: string, place: Placing): Promise<void> {
  for (const { name, content } of await readZip(bytes)) {
    const placed = place(name);
    if (placed !== undefined)
      await writeWithin(directory, placed.path, await content(), placed.executable ? 0o755 : 0o644);
  }
}

/** Throws for a path that leads outside. */
export async function writeWithin(directory: string, path: string, content: Buffer, mode: number): Promise<void> {
  const normal = posix.normalize(path);
  if (posix.isAbsolute(normal) || normal.startsWith("../") || normal === ".." || normal.includes("\0")) {
    throw new Error(`the entry ${JSON.stringify(path)} leads outside`);
  }
  const file = join(directory, normal);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  await chmod(file, mode);
}

/** Without the first part of each path: `package/` of npm, `python/` of releases. */
export async function unpackTarGz(bytes: Buffer, directory: string): Promise<void> {
  let entries = 0;
  let total = 0;
  const filter = ({ size }: { readonly size: number }): boolean => {
    entries += 1;
    total += size;
    if (entries > MAX_ENTRIES || total > MAX_TOTAL_BYTES) throw new Error("more in an archive than any tool has");
    return true;
  };
  await pipeline(Readable.from([bytes]), createGunzip(), unpackTar(directory, { strip: 1, filter, strict: true }));
}
