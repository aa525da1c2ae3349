/**
 * What this install has taken of the host: one small file for each machine that is waited for, made, or ready, in a directory of
 * the install's own (`<dataDir>/claims`). It names the process that owns the machine, so whoever reads it later knows whether the
 * machine is in use or was left behind, whatever became of its maker. A machine without a file here is not ours.
 *
 * Reading and writing are synchronous: admission writes what it wants and then looks, in one go.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { boolean, enum as oneOf, int, iso, number, object, optional, regex, safeParse, string } from "zod/mini";
import { isAlive } from "../lib/process-identity.ts";
import type { ProcessIdentity } from "../lib/process-identity.ts";
import type { ProviderName } from "./provider.ts";

export interface MachineClaim {
  /** As its processes, directories and this file are called. */
  readonly machine: string;
  /** As the run calls it: another name when it was made ahead. */
  readonly name: string;
  readonly provider: ProviderName;
  /** With what the provider needs beside the guest's. */
  readonly memoryMib: number;
  readonly cpus: number;
  readonly since: string;
  readonly owner: ProcessIdentity;
  /** `waiting`: nothing is taken yet, and it comes before those that began to wait later. */
  readonly state: "waiting" | "held";
  /** Made ahead, for no run yet. */
  readonly warm: boolean;
  /** The run that keeps this machine while it waits for another one; undefined where waiting holds nothing up. */
  readonly run: string | undefined;
  /** Where the owner put what machines need: sockets and bundles, temporary directories. */
  readonly runDir: string;
  readonly temporary: string;
}

/** A path and a search of processes are made of it. */
const Id = string().check(regex(/^[a-z0-9-]{1,40}$/));
/** JSON leaves out what is undefined. */
const Identity = object({ pid: int(), bootId: optional(string()), startTicks: optional(string()) });
const Claim = object({
  machine: Id,
  name: Id,
  provider: oneOf(["firecracker", "qemu", "gvisor", "host", "fake"]),
  memoryMib: number(),
  cpus: number(),
  since: iso.datetime(),
  owner: Identity,
  state: oneOf(["waiting", "held"]),
  warm: boolean(),
  run: optional(string()),
  runDir: string(),
  temporary: string(),
});

const SUFFIX = ".json";
/** Written in one go; what cannot be read for so long was cut off by a full disk. */
const UNREADABLE_FOR_MS = 60_000;

export function claimsDirectory(dataDir: string): string {
  return join(dataDir, "claims");
}

/** Whole or not at all, for whoever reads meanwhile. */
export function writeClaim(directory: string, claim: MachineClaim): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, claim.machine + SUFFIX);
  const partial = join(directory, `.${claim.machine}.${process.pid}`);
  writeFileSync(partial, JSON.stringify(claim), { mode: 0o600 });
  renameSync(partial, path);
}

/** Safe to call twice. */
export function removeClaim(directory: string, machine: string): void {
  rmSync(join(directory, machine + SUFFIX), { force: true });
}

/** Of living owners and of those that are gone; the oldest first. */
export function readClaims(directory: string): readonly MachineClaim[] {
  return namesIn(directory)
    .filter((name) => name.endsWith(SUFFIX))
    .flatMap((name) => readClaim(join(directory, name), name.slice(0, -SUFFIX.length)) ?? [])
    .toSorted(inLine);
}

/** By time, and where that is the same by name: every process sees the same line. */
export function inLine(a: MachineClaim, b: MachineClaim): number {
  return a.since < b.since || (a.since === b.since && a.machine < b.machine) ? -1 : 1;
}

export function isOwned({ owner }: MachineClaim): boolean {
  return isAlive(owner);
}

/** Files that say nothing: half-written ones of a process that was killed, damaged ones. */
export function removeUnreadable(directory: string, nowMs: number): void {
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    if (name.endsWith(SUFFIX) && readClaim(path, name.slice(0, -SUFFIX.length)) !== undefined) continue;
    const changedAtMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMs;
    if (nowMs - changedAtMs > UNREADABLE_FOR_MS) rmSync(path, { force: true, recursive: true });
  }
}

function readClaim(path: string, machine: string): MachineClaim | undefined {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    // Given back meanwhile, or damaged: `removeUnreadable` tells them apart.
    return undefined;
  }
  const parsed = safeParse(Claim, value);
  // Under another name it could be removed and would come back.
  if (!parsed.success || parsed.data.machine !== machine) return undefined;
  const { pid, bootId, startTicks } = parsed.data.owner;
  return { ...parsed.data, owner: { pid, bootId, startTicks }, run: parsed.data.run };
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    // No machine was ever made.
    return [];
  }
}
