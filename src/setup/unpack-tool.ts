/**
 * Archives of tools: zip (Go modules, wheels) and gzipped tar (npm packages, releases), read whole from memory. They were made by
 * others: what would land outside is refused, sizes are bounded. Source of the zip format: APPNOTE.TXT §4.3.
 */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, inflateRawSync } from "node:zlib";
import { unpackTar } from "modern-tar/fs";

const MAX_ENTRIES = 200_000;
const MAX_TOTAL_BYTES = 4 * 2 ** 30;

/** Where an entry goes, relative to the directory, and whether it can be run; undefined: it is left out. */
export type Placing = (name: string) => { readonly path: string; readonly executable: boolean } | undefined;

interface ZipEntry {
  readonly name: string;
  readonly content: () => Buffer;
}

export function* readZip(bytes: Buffer): Generator<ZipEntry> {
  // The end record is last, but for a comment of at most 64 KiB.
  const end = bytes.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (end < 0 || end + 22 > bytes.length) throw new Error("not a zip archive");
  const count = bytes.readUInt16LE(end + 10);
  let at = bytes.readUInt32LE(end + 16);
  let total = 0;
  for (let index = 0; index < count; index++) {
    if (bytes.readUInt32LE(at) !== 0x02014b50) throw new Error("a damaged zip archive");
    const method = bytes.readUInt16LE(at + 10);
    const [packed, size] = [bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 24)];
    const [nameLength, extraLength] = [bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30)];
    const local = bytes.readUInt32LE(at + 42);
    const name = bytes.toString("utf8", at + 46, at + 46 + nameLength);
    at += 46 + nameLength + extraLength + bytes.readUInt16LE(at + 32);
    total += size;
    if (total > MAX_TOTAL_BYTES) throw new Error(`more than ${MAX_TOTAL_BYTES} bytes in a zip archive`);
    yield {
      name,
      content: () => {
        const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
        const data = bytes.subarray(start, start + packed);
        if (method === 0) return data;
        if (method !== 8) throw new Error(`zip method ${method} of ${name} is unknown`);
        return inflateRawSync(data, { maxOutputLength: Math.max(1, size) });
      },
    };
  }
}

/** Go's proxy and wheels keep no modes, so `place` says them. */
export async function unpackZip(bytes: Buffer, directory: string, place: Placing): Promise<void> {
  for (const { name, content } of readZip(bytes)) {
    const placed = name.endsWith("/") ? undefined : place(name);
    if (placed !== undefined) await writeWithin(directory, placed.path, content(), placed.executable ? 0o755 : 0o644);
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
