/** Directories that this process works in, and the removal of those that killed processes left. */
import { mkdtempSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { claimDirectory, removeOwned, sweepAbandoned } from "../lib/owned-directory.ts";
import { isAlive } from "../lib/process-identity.ts";

const PREFIX = "work-";

/** Holds nothing but its owner's name. */
export function makeWorkDirectory(parent: string): string {
  const path = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
  claimDirectory(path);
  return path;
}

/** `parent` is this user's alone. */
export async function sweepWorkDirectories(parent: string): Promise<void> {
  await sweepAbandoned(parent, PREFIX);
  for (const name of readdirSync(parent)) {
    const pid = /^work-(\d+)-/.exec(name)?.[1];
    if (pid === undefined) continue;
    // Killed while it put its name in: what stands there tells nothing, but the directory's own name does.
    const identity = { pid: Number(pid), bootId: undefined, startTicks: undefined };
    if (!isAlive(identity)) await removeOwned(join(parent, name));
  }
}
