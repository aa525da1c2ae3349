/** The files in a machine's directory. What machines share is linked there, and they can only read it; what is a machine's own goes with it. */
import { COPYFILE_FICLONE } from "node:constants";
import { access, chmod, constants, copyFile, link, stat } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../lib/engine-error.ts";
import { runCommand } from "../../lib/run-command.ts";
import type { VmDirectory } from "./vm-process.ts";

/** As much as a machine of GitHub's has free. */
const SCRATCH_SIZE = "20G";
/** An ordinary user's PATH lacks the directory. */
const MKFS = "/usr/sbin/mkfs.ext4";
const ALL_READ = 0o004;

/** By a link, or by a copy where the directories are on two file systems or the machine's account could not read the file. */
export async function shareFile({ root, account }: VmDirectory, source: string, name: string): Promise<void> {
  const target = join(root, name);
  if (account === undefined || ((await stat(source)).mode & ALL_READ) !== 0) {
    try {
      return await link(source, target);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "EXDEV" && code !== "EPERM" && code !== "EMLINK") throw error;
    }
  }
  await copyFile(source, target, COPYFILE_FICLONE);
  await chmod(target, 0o444);
}

/** False where the host has no mkfs.ext4: the machine then writes to its memory. Throws MACHINE_START_FAILED. */
export async function makeScratchDisk(directory: VmDirectory, name: string, signal: AbortSignal): Promise<boolean> {
  if (!(await isExecutable(MKFS))) return false;
  const path = join(directory.root, name);
  // Without a journal, as nobody mounts it a second time; a sparse file's tables are zero already.
  const options = ["-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"];
  const result = await runCommand([MKFS, ...options, path, SCRATCH_SIZE], { signal });
  if (result.code !== 0) {
    throw new EngineError("MACHINE_START_FAILED", `Cannot make a machine's disk: ${result.stderr.trim()}`, {
      hint: `see that the disk of ${directory.root} has room`,
    });
  }
  await chmod(path, 0o600);
  await directory.give(name);
  return true;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    // Missing or not ours to run: either way there is none.
    return false;
  }
}
