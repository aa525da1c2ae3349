/**
 * Directories in which a machine's memory lies in plain while it is saved or gone on from: this user's alone, in memory where there is
 * room, and swept up after a process that was killed.
 */
import { lstatSync, mkdirSync, statfsSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { join } from "node:path";
import { removeOwned } from "../lib/owned-directory.ts";
import { makeWorkDirectory, sweepWorkDirectories } from "./work-directory.ts";

/** Disposing removes it; twice is safe. */
export interface PlainDirectory extends AsyncDisposable {
  /** Empty. */
  readonly path: string;
}

/** `memoryDir` is shared with other users, `diskDir` is ours. Throws what the file system does. */
export async function makePlainDirectory(
  memoryDir: string,
  diskDir: string,
  expectedBytes: number,
): Promise<PlainDirectory> {
  const parent = (hasRoom(memoryDir, expectedBytes) ? ownDirectory(memoryDir) : undefined) ?? diskDir;
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  await sweepWorkDirectories(parent);
  const claimed = makeWorkDirectory(parent);
  const path = join(claimed, "machine");
  mkdirSync(path, { mode: 0o700 });
  return { path, [Symbol.asyncDispose]: () => removeOwned(claimed) };
}

/** An eighth of the host's memory must stay free: what runs there is not to be ended for want of it. */
function hasRoom(memoryDir: string, expectedBytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(memoryDir);
    return Math.min(bavail * bsize, freemem()) - expectedBytes > totalmem() / 8;
  } catch {
    // No such file system here.
    return false;
  }
}

/** Undefined where somebody else made it: whoever may write in it could put links in the way of what is removed there. */
function ownDirectory(memoryDir: string): string | undefined {
  const uid = process.getuid?.() ?? 0;
  const path = join(memoryDir, `hearth-${uid}`);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    if (error.code !== "EEXIST") return undefined;
  }
  const found = lstatSync(path);
  return found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0 ? path : undefined;
}
