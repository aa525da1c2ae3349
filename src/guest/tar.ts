/**
 * Directories in and out as tar streams. What comes in may have been made by anybody (an action's archive, a cache), so an
 * entry that would land outside, is no file, directory or link, or goes beyond a cap is refused by name, and the rest with it
 * (SECURITY-RELIABILITY A15, A16). Where links lead is checked by modern-tar as it writes.
 */
import { lchown, opendir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { TarHeader } from "modern-tar";
import { makeDirectory } from "./files.ts";
import type { Owner } from "./files.ts";

export interface UnpackCaps {
  readonly entries: number;
  readonly totalBytes: number;
}

const UNPACK_CAPS: UnpackCaps = { entries: 1_000_000, totalBytes: 32 * 2 ** 30 };

/** Unpacks below `path`, which is made when missing; everything there belongs to `owner` afterwards. */
export async function unpackDirectory(
  path: string,
  tar: Readable,
  owner: Owner | undefined,
  caps: UnpackCaps = UNPACK_CAPS,
): Promise<void> {
  const { unpackTar } = await import("modern-tar/fs");
  makeDirectory(path, owner);
  const check = entryCheck(caps);
  // The source is not destroyed with a refused archive: it is also the way on which the refusal is answered.
  await pipeline(tar.iterator({ destroyOnReturn: false }), unpackTar(path, { strict: true, filter: check }));
  if (owner !== undefined) await giveTo(owner, path);
}

/** The directory's content as a tar stream; the stream fails when the directory cannot be read. */
export async function packDirectory(path: string): Promise<Readable> {
  const { packTar } = await import("modern-tar/fs");
  return packTar(path);
}

/** Refuses by throwing, because an entry that is merely left out would be a silent loss. Sizes are counted before they are written. */
function entryCheck(caps: UnpackCaps): (header: TarHeader) => boolean {
  let entries = 0;
  let bytes = 0;
  return ({ name, type = "file", linkname, size }) => {
    const reason = (): string | undefined => {
      if (name.startsWith("/") || name.startsWith("\\")) return "an absolute path";
      if (name.split(/[/\\]/).includes("..")) return "a path that leads outside";
      if (name.includes("\0")) return "a path with a NUL";
      if (type !== "file" && type !== "directory" && type !== "symlink" && type !== "link") return `a ${type}`;
      if ((type === "symlink" || type === "link") && (linkname ?? "") === "") return "a link without a target";
      if (++entries > caps.entries) return `more than ${caps.entries} entries`;
      bytes += size;
      if (bytes > caps.totalBytes) return `more than ${caps.totalBytes} bytes`;
      return undefined;
    };
    const refused = reason();
    if (refused !== undefined) throw new Error(`refused entry ${JSON.stringify(name.slice(0, 256))}: ${refused}`);
    return true;
  };
}

async function giveTo(owner: Owner, path: string): Promise<void> {
  for await (const entry of await opendir(path)) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) await giveTo(owner, child);
    // Links are given away themselves, never what they point at.
    await lchown(child, owner.uid, owner.gid);
  }
}
