/**
 * An image's directories as disks for virtual machines, kept beside them and made once. The guest cannot write to them, so all
 * machines share them.
 */
import { mkdtemp, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { runCommand } from "../lib/run-command.ts";
import type { Image } from "./image-store.ts";
import { ownUid, rootPrefix } from "./root-in-namespace.ts";

export interface ImageDisks {
  readonly root: string;
  readonly externals: string;
}

export interface PrepareDisksOptions {
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Higher levels of zstd cost half a minute to save a tenth. */
const ROOT_COMPRESSION = ["-comp", "zstd", "-Xcompression-level", "3"];
/** Node is read at every start, and reading it as it is saves a third of a second of emulation. */
const NO_COMPRESSION = ["-noI", "-noId", "-noD", "-noF", "-noX"];

/**
 * Some ten seconds the first time, a millisecond after that. Safe to call again and at the same time. Throws IMAGE_BUILD_FAILED,
 * or the signal's reason.
 */
export async function prepareDisks(image: Image, options: PrepareDisksOptions): Promise<ImageDisks> {
  const disks = { root: join(image.directory, "root.sqfs"), externals: join(image.directory, "externals.sqfs") };
  if ((await exists(disks.root)) && (await exists(disks.externals))) return disks;
  const { progress, signal } = options;
  const onWait = () => progress(`image: waiting for another process that packs ${image.name}`);
  const lock = await lockFile(join(image.directory, ".disks-lock"), onWait, signal);
  try {
    if (!(await exists(disks.root))) await pack(image.rootfs, disks.root, ROOT_COMPRESSION, options);
    if (!(await exists(disks.externals))) await pack(image.externals, disks.externals, NO_COMPRESSION, options);
  } finally {
    await lock[Symbol.asyncDispose]();
  }
  return disks;
}

/** Of a directory that nobody changes meanwhile; at once when it is there. Throws IMAGE_BUILD_FAILED. */
export async function packDisk(source: string, disk: string, options: PrepareDisksOptions): Promise<string> {
  if (!(await exists(disk))) await pack(source, disk, ROOT_COMPRESSION, options);
  return disk;
}

async function pack(
  source: string,
  disk: string,
  compression: readonly string[],
  { progress, signal }: PrepareDisksOptions,
): Promise<void> {
  progress(`image: packing ${disk}`);
  const scratch = await mkdtemp(`${disk}.packing-`);
  try {
    const unfinished = join(scratch, "disk");
    const argv = ["mksquashfs", source, unfinished, "-noappend", "-no-progress", "-quiet", ...compression];
    const result = await runCommand([...rootPrefix(ownUid()), ...argv], { signal });
    if (result.code !== 0) throw new Error(result.stderr.trim());
    await rename(unfinished, disk);
  } catch (error) {
    signal.throwIfAborted();
    throw new EngineError("IMAGE_BUILD_FAILED", `Cannot pack ${source} as a disk`, {
      cause: error,
      hint: "apt-get install squashfs-tools, and see that the disk has room",
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}
