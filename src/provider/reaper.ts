/**
 * Ends what machines left behind when their Hearth was killed: processes, mounts, directories, cgroups, claims. Only what is this
 * install's, told by its claims (`machine-claims.ts`), and only when the owner that a claim names (boot, pid, start time) is gone.
 * Called before a run, every half minute where a process lives long, and by `hearth machines reap`; any number at once.
 */
import { readFile, readdir, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { killWhereEnvironment } from "../guest/process-tree.ts";
import { sweepAbandoned } from "../lib/owned-directory.ts";
import { runCommand } from "../lib/run-command.ts";
import { sweepCgroups } from "./cgroup.ts";
import { findCgroupRoot, thisHost } from "./cgroup-root.ts";
import { claimsDirectory, isOwned, readClaims, removeClaim, removeUnreadable } from "./machine-claims.ts";
import type { MachineClaim } from "./machine-claims.ts";
import { sweepVmAccounts } from "./vm-account.ts";
import { hostMark, processesOfMachines, stepsOnHost } from "./machine-processes.ts";
import type { MachineProcess } from "./machine-processes.ts";

export interface ReaperPlaces {
  readonly dataDir: string;
  readonly runDir: string;
}

const KILL_DEADLINE_MS = 5_000;
const KILL_RETRY_MS = 20;

/** One line for each thing that was ended or removed, or could not be; empty when there was nothing. Never throws for those. */
export async function reap({ dataDir, runDir }: ReaperPlaces): Promise<readonly string[]> {
  const claims = claimsDirectory(dataDir);
  const lines: string[] = [];
  const abandoned = readClaims(claims).filter((claim) => !isOwned(claim));
  for (const claim of abandoned) {
    const trouble = await orTrouble(async () => lines.push(...(await endMachine(claim, dataDir))));
    if (trouble === undefined) {
      removeClaim(claims, claim.machine);
      lines.push(`${claim.name}: its owner, process ${claim.owner.pid}, is gone: given back`);
    } else lines.push(`${claim.name}: ${trouble}`);
  }
  // The account of a machine that could not be ended is still in use.
  if (readClaims(claims).every(isOwned)) {
    const trouble = await orTrouble(async () => {
      const given = await sweepVmAccounts(dataDir, AbortSignal.timeout(KILL_DEADLINE_MS));
      lines.push(...given.map((path) => `removed ${path}`));
    });
    if (trouble !== undefined) lines.push(`accounts: ${trouble}`);
  }
  removeUnreadable(claims, Date.now());
  lines.push(...(await swept(runDir, "tree-")), ...(await swept(join(dataDir, "jail", "firecracker"), "")));
  lines.push(...(await removeWorkshops(dataDir)));
  if (abandoned.length > 0) {
    const trouble = await orTrouble(removeCgroups);
    if (trouble !== undefined) lines.push(`cgroups: ${trouble}`);
  }
  return lines;
}

async function endMachine(claim: MachineClaim, dataDir: string): Promise<readonly string[]> {
  const { machine, name, provider, runDir, temporary } = claim;
  const lines: string[] = [];
  const ended = provider === "host" ? await endSteps(machine) : await endProcesses(machine);
  lines.push(...ended.map(({ pid, command }) => `${name}: ended process ${pid}: ${command.slice(0, 100)}`));
  // Before the directories, or what is mounted there would be removed with them.
  for (const path of await mountsBelow(join(runDir, machine))) {
    const { code, stderr } = await runCommand(["umount", "--lazy", path]);
    if (code !== 0) throw new Error(`cannot unmount ${path}: ${stderr.trim()}`);
    lines.push(`${name}: unmounted ${path}`);
  }
  lines.push(...(await swept(runDir, machine)), ...(await swept(temporary, hostMark(machine).slice(1))));
  // A moment before it names its owner, and after it named one, a directory is empty.
  for (const parent of [runDir, join(dataDir, "jail", "firecracker")]) await removeEmpty(join(parent, machine));
  return lines;
}

async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(String(codeOf(error)))) throw error;
  }
}

/** All of them are gone when it resolves. */
async function endProcesses(machine: string): Promise<readonly MachineProcess[]> {
  const ended = new Map<number, MachineProcess>();
  for (const deadline = performance.now() + KILL_DEADLINE_MS; ; await delay(KILL_RETRY_MS)) {
    const left = (await processesOfMachines([machine])).get(machine) ?? [];
    if (left.length === 0) return [...ended.values()];
    if (performance.now() > deadline) throw new Error(`process ${left[0]?.pid} did not die of SIGKILL`);
    for (const process of left) {
      ended.set(process.pid, process);
      kill(process.pid);
    }
  }
}

async function endSteps(machine: string): Promise<readonly MachineProcess[]> {
  const found = await stepsOnHost(machine);
  const mark = hostMark(machine);
  if (found.length > 0) await killWhereEnvironment((entry) => entry.includes(mark), { ownUserOnly: true });
  return found;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It has gone with another one.
    if (codeOf(error) !== "ESRCH") throw error;
  }
}

/** The innermost first. */
async function mountsBelow(directory: string): Promise<readonly string[]> {
  const table = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  const paths = table.split("\n").map((line) => (line.split(" ")[4] ?? "").replaceAll("\\040", " "));
  return paths.filter((path) => path === directory || path.startsWith(`${directory}/`)).toReversed();
}

/** `sweepAbandoned`, and what it removed. */
async function swept(parent: string, prefix: string): Promise<readonly string[]> {
  const before = await namesIn(parent);
  if (!before.some((name) => name.startsWith(prefix))) return [];
  await sweepAbandoned(parent, prefix);
  const after = new Set(await namesIn(parent));
  return before
    .filter((name) => name.startsWith(prefix) && !after.has(name))
    .map((name) => `removed ${join(parent, name)}`);
}

interface Workshop {
  /** Below the data directory. */
  readonly in: string;
  readonly name: RegExp;
  readonly olderThanMs: number;
}

const HOUR_MS = 3_600_000;

/** Directories in which something is being made. They name no owner, and none is in use for as long as this. */
const WORKSHOPS: readonly Workshop[] = [
  { in: "machines", name: /^\.(unnamed|state)-/, olderThanMs: HOUR_MS },
  { in: "", name: /^probe-/, olderThanMs: HOUR_MS },
  { in: "", name: /^setup-/, olderThanMs: 24 * HOUR_MS },
  { in: "templates", name: /^\.building-/, olderThanMs: HOUR_MS },
  { in: "tools", name: /^adding-/, olderThanMs: 24 * HOUR_MS },
];

async function removeWorkshops(dataDir: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const { in: below, name: pattern, olderThanMs } of WORKSHOPS) {
    const parent = join(dataDir, below);
    for (const name of (await namesIn(parent)).filter((entry) => pattern.test(entry))) {
      const path = join(parent, name);
      // Gone meanwhile: as if it had just been made.
      const changedAtMs = await stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => Date.now(),
      );
      if (Date.now() - changedAtMs < olderThanMs) continue;
      const trouble = await orTrouble(() => rm(path, { recursive: true, force: true }));
      lines.push(trouble === undefined ? `removed ${path}` : `${path}: ${trouble}`);
    }
  }
  return lines;
}

async function removeCgroups(): Promise<void> {
  const root = await findCgroupRoot(await thisHost());
  if (root !== undefined) await sweepCgroups(root);
}

async function orTrouble(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  // Nothing was ever made there.
  return readdir(directory).catch(() => []);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
