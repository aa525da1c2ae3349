/**
 * Directories that belong to a running process. A process that is killed at once leaves them behind; whoever makes the next one
 * sweeps up: the owner's name in the directory says whether it is still there.
 */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { identifyProcess, isAlive } from "./process-identity.ts";
import type { ProcessIdentity } from "./process-identity.ts";

const OWNER_FILE = ".hearth-owner";

/** Says that this process owns the directory. */
export function claimDirectory(path: string): void {
  writeFileSync(join(path, OWNER_FILE), JSON.stringify(identifyProcess(process.pid)), { mode: 0o600 });
}

/** Removes directories below `parent` that begin with `prefix`, were claimed, and whose owner has gone. Others are not touched. */
export async function sweepAbandoned(parent: string, prefix = ""): Promise<void> {
  for (const name of entriesOf(parent)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(parent, name);
    const owner = ownerOf(path);
    if (owner !== undefined && !isAlive(owner)) await removeOwned(path);
  }
}

/** The owner's name goes last: what a kill in between leaves is still somebody's, and is swept up. */
export async function removeOwned(path: string): Promise<void> {
  for (const name of entriesOf(path)) {
    if (name !== OWNER_FILE) await rm(join(path, name), { recursive: true, force: true });
  }
  await rm(path, { recursive: true, force: true });
}

function ownerOf(path: string): ProcessIdentity | undefined {
  try {
    const owner: unknown = JSON.parse(readFileSync(join(path, OWNER_FILE), "utf8"));
    return isIdentity(owner) ? owner : undefined;
  } catch {
    // No such file, somebody else's, or half written: not ours to judge.
    return undefined;
  }
}

function isIdentity(value: unknown): value is ProcessIdentity {
  return typeof value === "object" && value !== null && "pid" in value && typeof value.pid === "number";
}

function entriesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    // Nothing was ever made there.
    return [];
  }
}
