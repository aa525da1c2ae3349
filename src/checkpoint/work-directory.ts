/** Directories that this process works in, and the removal of those that killed processes left. */
import { mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { claimDirectory, sweepAbandoned } from "../lib/owned-directory.ts";
import { isAlive } from "../lib/process-identity.ts";

const PREFIX = "work-";

/** Holds nothing but its owner's name. */
export function makeWorkDirectory(parent: string): string {
  const path = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
  claimDirectory(path);
  return path;
}

export async function sweepWorkDirectories(parent: string): Promise<void> {
  await sweepAbandoned(parent, PREFIX);
  for (const name of readdirSync(parent)) {
    const pid = /^work-(\d+)-/.exec(name)?.[1];
    // Killed before it could put its name in.
    if (pid !== undefined && !isAlive({ pid: Number(pid), bootId: undefined, startTicks: undefined })) {
      tryRemoveEmpty(join(parent, name));
    }
  }
}

function tryRemoveEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Not empty, so somebody's, or gone meanwhile.
  }
}
