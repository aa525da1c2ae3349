/** The disk that one machine writes to. Blocks are taken from the host when they are written, and given back with the machine. */
import { access, chmod, constants } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { EngineError } from "../../lib/engine-error.ts";
import { runCommand } from "../../lib/run-command.ts";
import { copyFile } from "./machine-file.ts";
import { unnamedFile } from "./unnamed-file.ts";

/** As much as a machine of GitHub's has free. */
const SIZE = "20G";
/** An ordinary user's PATH lacks the directory. */
const MKFS = "/usr/sbin/mkfs.ext4";

/**
 * Undefined where the host has no mkfs.ext4: the machine then writes to its memory. `directory` should not be in memory itself.
 * Throws MACHINE_START_FAILED, or the signal's reason.
 */
export async function createScratchDisk(directory: string, signal: AbortSignal): Promise<FileHandle | undefined> {
  if (!(await exists(MKFS, constants.X_OK))) return undefined;
  return await unnamedFile(directory, async (path) => {
    await makeScratchDisk(path, signal);
  });
}

/** At a path. False where the host has no mkfs.ext4, and then nothing is made. Throws as `createScratchDisk` does. */
export async function makeScratchDisk(path: string, signal: AbortSignal): Promise<boolean> {
  if (!(await exists(MKFS, constants.X_OK))) return false;
  // Without a journal, as nobody mounts it a second time; a sparse file's tables are zero already.
  const options = ["-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"];
  const result = await runCommand([MKFS, ...options, path, SIZE], { signal });
  if (result.code === 0) {
    await chmod(path, 0o600);
    return true;
  }
  throw new EngineError("MACHINE_START_FAILED", `Cannot make a machine's disk: ${result.stderr.trim()}`, {
    hint: `see that the disk of ${path} has room`,
  });
}

/** A copy of a disk that was saved with its machine. Undefined where there is none. */
export async function copyScratchDisk(
  saved: string,
  directory: string,
  signal: AbortSignal,
): Promise<FileHandle | undefined> {
  return (await exists(saved, constants.R_OK)) ? await copyFile(saved, directory, signal) : undefined;
}

/**
 * What is in it, without the holes: a disk of 20 GB is some MB, and is read as such by whoever keeps the file. The machine must stand still. Throws
 * what went wrong, in words.
 */
export async function packScratchDisk({ fd }: FileHandle, path: string, signal: AbortSignal): Promise<void> {
  // By the way in that a file without a name has.
  const source = ["--directory", `/proc/${process.pid}/fd`, "--dereference", String(fd)];
  await tar(["--create", "--sparse", "--hole-detection=seek", "--file", path, ...source], signal);
}

/** Undefined where there is none. */
export async function unpackScratchDisk(
  packed: string,
  directory: string,
  signal: AbortSignal,
): Promise<FileHandle | undefined> {
  if (!(await exists(packed, constants.R_OK))) return undefined;
  return await unnamedFile(directory, async (path) => {
    const target = ["--directory", dirname(path), "--no-same-owner", `--transform=s/.*/${basename(path)}/`];
    await tar(["--extract", "--file", packed, ...target], signal);
    await chmod(path, 0o600);
  });
}

async function tar(args: readonly string[], signal: AbortSignal): Promise<void> {
  const result = await runCommand(["tar", ...args], { signal });
  if (result.code !== 0) throw new Error(`tar could not do its disk: ${result.stderr.trim()}`);
}

async function exists(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    // Missing or not ours to use: either way there is none.
    return false;
  }
}
