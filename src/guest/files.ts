/**
 * Small files in and out of a machine, synchronously: they are written before and read after every step, and a hop through
 * Node's thread pool for each system call costs more than the call. Large data travels as tar (`tar.ts`).
 */
import { execFile } from "node:child_process";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
} from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";
import { writeFileSync } from "node:fs";
import type { ReadBack } from "../protocol/agent-client.ts";

/** Owner of what is made; undefined leaves it to the process's own user. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Writes a whole file, making its directories. A link in the last place is refused rather than followed: a step may have planted
 * it. Nothing that blocks is opened (a FIFO without a reader fails).
 */
export function writeWholeFile(path: string, content: string, mode: number, owner: Owner | undefined): void {
  const file = openForWriting(absolute(path), mode, owner);
  try {
    if (content !== "") writeFileSync(file, content);
    // The mode given to open passes through the umask, and is ignored when the file exists.
    fchmodSync(file, mode);
    if (owner !== undefined) fchownSync(file, owner.uid, owner.gid);
  } finally {
    closeSync(file);
  }
}

/** Reads a regular file of at most `maxBytes`; anything else at that path counts as missing. */
export function readWholeFile(path: string, maxBytes: number): ReadBack {
  const file = openForReading(absolute(path));
  if (file === undefined) return { kind: "missing" };
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) return { kind: "missing" };
    if (stat.size > maxBytes) return { kind: "too_large", sizeBytes: stat.size };
    // Files under /proc say 0 bytes, and a file may grow meanwhile: the end is where nothing more comes.
    let content = Buffer.allocUnsafe(Math.min(stat.size, maxBytes) + 1);
    let filled = 0;
    for (;;) {
      const got = readSync(file, content, filled, content.length - filled, null);
      filled += got;
      if (filled > maxBytes) return { kind: "too_large", sizeBytes: filled };
      if (got === 0) return { kind: "content", content: content.subarray(0, filled) };
      if (filled === content.length) content = Buffer.concat([content], Math.min(filled * 2 + 4_096, maxBytes + 1));
    }
  } finally {
    closeSync(file);
  }
}

/** Makes the directory and its parents; those that were missing belong to `owner`. */
export function makeDirectory(path: string, owner: Owner | undefined): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined || owner === undefined) return;
  for (let made = resolve(path); ; made = dirname(made)) {
    lchownSync(made, owner.uid, owner.gid);
    if (made === resolve(first)) return;
  }
}

/** Leaves an empty directory, whatever was there; a link is replaced, not followed. */
export async function emptyDirectory(path: string, owner: Owner | undefined): Promise<void> {
  const stat = lstatSync(absolute(path), { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) {
    // The directory itself stays: it may be a mount point.
    for (const name of await readdir(path)) await removeTree(join(path, name));
    if (owner !== undefined) lchownSync(path, owner.uid, owner.gid);
  } else {
    await rm(path, { force: true });
    makeDirectory(path, owner);
  }
}

/** Removes whatever is at the path. Go's module cache and others leave directories without write permission behind. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "EACCES") throw error;
    await promisify(execFile)("/bin/chmod", ["-R", "u+rwX", "--", path], { env: { PATH: "/usr/bin:/bin" } });
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
}

function openForWriting(path: string, mode: number, owner: Owner | undefined): number {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
  const flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK;
  try {
    return openSync(path, flags, mode);
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOENT") throw error;
    makeDirectory(dirname(path), owner);
    return openSync(path, flags, mode);
  }
}

function openForReading(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENXIO") return undefined;
    throw error;
  }
}

function absolute(path: string): string {
  if (!isAbsolute(path)) throw new Error(`not an absolute path: ${path}`);
  return path;
}
