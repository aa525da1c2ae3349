/**
 * Unpacks a zip of unknown origin into a new directory: nothing is written outside of it, nothing in it is a link or a special file,
 * and what comes out is bounded by what went in. All of it or nothing (SECURITY-RELIABILITY A15, A16).
 */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { readZipEntries, readZipEntry, RefusedArchive, refusedEntry } from "./zip-entries.ts";
import type { ZipBytes, ZipEntry } from "./zip-entries.ts";

const CHUNK_BYTES = 1 << 20;

/** `directory` is made; an empty one may be there. Throws `RefusedArchive`, and what the file system says. */
export async function unzip(archive: string, directory: string): Promise<void> {
  await mkdir(dirname(directory), { recursive: true });
  // Beside its place, so that it gets there in one step.
  const partial = join(dirname(directory), `.${randomUUID()}.partial`);
  const file = await open(archive);
  try {
    const zip = bytesOf(file, (await file.stat()).size);
    const entries = await readZipEntries(zip);
    await mkdir(partial);
    const places = new Set<string>();
    for (const entry of entries) await extract(zip, entry, partial, places);
    await rename(partial, directory);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function extract(zip: ZipBytes, entry: ZipEntry, directory: string, places: Set<string>): Promise<void> {
  const { path, isDirectory, objection } = entry;
  if (objection !== undefined) throw refusedEntry(path, objection);
  // Two names that a file system takes for one would be written over one another.
  const place = path.normalize("NFC").toLowerCase();
  if (!isDirectory && places.has(place)) throw refusedEntry(path, "there is another of the same name");
  places.add(place);
  const target = join(directory, path);
  try {
    await mkdir(isDirectory ? target : dirname(target), { recursive: true });
    if (!isDirectory) await pipeline(readZipEntry(zip, entry), createWriteStream(target, { flags: "wx" }));
  } catch (error) {
    if (isCode(error, "EEXIST") || isCode(error, "ENOTDIR") || isCode(error, "EISDIR")) {
      throw refusedEntry(path, "there is another of the same name");
    }
    if (isCode(error, "ENAMETOOLONG")) throw refusedEntry(path, "its name is too long");
    throw error;
  }
}

function bytesOf(file: FileHandle, sizeBytes: number): ZipBytes {
  return {
    sizeBytes,
    async *read(from, to) {
      for (let at = from; at < to; at += CHUNK_BYTES) {
        const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, to - at));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
        // A read may give less than it was asked for only where the file ends.
        if (bytesRead !== chunk.length) throw new RefusedArchive("the archive is cut off");
        yield chunk;
      }
    },
  };
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
