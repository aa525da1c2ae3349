/**
 * An account of its own for each virtual machine on this host: a number no user has, used as uid and gid of the process that
 * is the machine. No two machines that are alive share one, whatever process made them: a slot is a file below
 * `<dataDir>/accounts`, made at once with its owner's name in it, and taken away when the machine has ended. What a killed
 * process left is swept up by the next one; a slot whose account still has a process is never given out.
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nullable, number, object, optional, safeParse, string } from "zod/mini";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { identifyProcess, isAlive } from "../lib/process-identity.ts";

export interface VmAccount extends AsyncDisposable {
  readonly uid: number;
  readonly gid: number;
}

/** Above what systemd gives to containers and users (systemd's docs/UIDS-GIDS.md), below 2^31. */
const FIRST_ID = 1_900_000_000;
const SLOTS = 4096;

const Owner = object({ pid: number(), bootId: optional(nullable(string())), startTicks: optional(nullable(string())) });

/**
 * Any number at once, also from several processes. `proc` shows the processes of this host. Throws MACHINE_START_FAILED when all
 * are taken.
 */
export async function takeVmAccount(dataDir: string, signal: AbortSignal, proc = "/proc"): Promise<VmAccount> {
  const directory = join(dataDir, "accounts");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await sweepVmAccounts(dataDir, signal);
  const slot = await takeFirstFree(directory, proc);
  if (slot === undefined) {
    throw new EngineError("MACHINE_START_FAILED", `Cannot start a machine: all ${SLOTS} accounts are in use`);
  }
  const id = FIRST_ID + slot;
  return { uid: id, gid: id, [Symbol.asyncDispose]: () => rm(join(directory, String(slot)), { force: true }) };
}

async function takeFirstFree(directory: string, proc: string): Promise<number | undefined> {
  const claim = join(directory, `.claim-${randomUUID()}`);
  await writeFile(claim, JSON.stringify(identifyProcess(process.pid)), { mode: 0o600 });
  try {
    const taken = new Set(await readdir(directory));
    const living = await livingAccounts(proc);
    for (let slot = 0; slot < SLOTS; slot++) {
      if (taken.has(String(slot)) || living.has(FIRST_ID + slot)) continue;
      if (await linked(claim, join(directory, String(slot)))) return slot;
    }
    return undefined;
  } finally {
    await rm(claim);
  }
}

/** Of all processes of this host that have one, as real, effective, saved or file system's user (proc_pid_status(5)). */
async function livingAccounts(proc: string): Promise<ReadonlySet<number>> {
  const pids = (await readdir(proc).catch(() => [])).filter((name) => /^\d+$/.test(name));
  const ids = await Promise.all(
    pids.map(async (pid) => {
      // It ended while we looked.
      const status = await readFile(join(proc, pid, "status"), "utf8").catch(() => "");
      // A zombie runs no more, and only its parent can end it.
      if (/^State:\s+Z/m.test(status)) return [];
      return (/^Uid:\s+(.*)$/m.exec(status)?.[1] ?? "").split(/\s+/).map(Number);
    }),
  );
  return new Set(ids.flat().filter((id) => id >= FIRST_ID && id < FIRST_ID + SLOTS));
}

/** A link appears whole or not at all, and is refused where there is one: what `O_EXCL` gives, with the content in it. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Gives back those of processes that are gone, and names them. Under a lock: nobody else may take away a slot just taken anew. */
export async function sweepVmAccounts(dataDir: string, signal: AbortSignal): Promise<readonly string[]> {
  const directory = join(dataDir, "accounts");
  if ((await abandoned(directory)).length === 0) return [];
  const lock = await lockFile(join(directory, ".lock"), () => undefined, signal);
  try {
    const paths = await abandoned(directory);
    for (const path of paths) await rm(path, { force: true });
    return paths;
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

/** Held by processes that have ended; with such a process the kernel ends its machines. */
async function abandoned(directory: string): Promise<string[]> {
  // No such directory: no account was ever taken.
  const names = await readdir(directory).catch(() => []);
  const paths = names.filter((name) => name !== ".lock").map((name) => join(directory, name));
  const gone = await Promise.all(paths.map(isAbandoned));
  return paths.filter((_, index) => gone[index]);
}

async function isAbandoned(path: string): Promise<boolean> {
  let owner: unknown;
  try {
    owner = JSON.parse(await readFile(path, "utf8"));
  } catch {
    // Gone meanwhile, or not ours to judge.
    return false;
  }
  const parsed = safeParse(Owner, owner);
  if (!parsed.success) return false;
  const { pid, bootId, startTicks } = parsed.data;
  return !isAlive({ pid, bootId: bootId ?? undefined, startTicks: startTicks ?? undefined });
}
