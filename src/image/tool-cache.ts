/**
 * The host's tool cache as machines are given it: a directory for those that can be shown one, a disk for the others. Filled by
 * `setup/tools.ts`; machines write over it, never into it.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { lockFile } from "../lib/file-lock.ts";
import { packDisk } from "./squashfs.ts";
import type { PrepareDisksOptions } from "./squashfs.ts";

/** `<tool>/<version>/<arch>` below it. Its parent is for this user alone. */
export function toolCacheDirectory(dataDir: string): string {
  return join(dataDir, "tools", "cache");
}

/** The directory, if there is anything in it. */
export async function findToolCache(dataDir: string): Promise<string | undefined> {
  const directory = toolCacheDirectory(dataDir);
  const names = await readdir(directory).catch(() => []);
  return names.length === 0 ? undefined : directory;
}

/** Packed when it is first asked for after a change; undefined where there are no tools. Throws IMAGE_BUILD_FAILED. */
export async function prepareToolDisk(dataDir: string, options: PrepareDisksOptions): Promise<string | undefined> {
  const directory = await findToolCache(dataDir);
  if (directory === undefined) return undefined;
  const onWait = (): void => options.progress("tools: waiting for another process that packs them");
  const lock = await lockFile(join(dataDir, "tools", ".disk-lock"), onWait, options.signal);
  try {
    return await packDisk(directory, toolDisk(dataDir), options);
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

/** After every change of the tools. Machines that have the disk keep it. */
export async function forgetToolDisk(dataDir: string): Promise<void> {
  await rm(toolDisk(dataDir), { force: true });
}

function toolDisk(dataDir: string): string {
  return join(dataDir, "tools", "cache.sqfs");
}
