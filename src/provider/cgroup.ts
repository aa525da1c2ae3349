/**
 * Limits of memory, processor time and processes from outside, for all of a machine's processes on the host together: a cgroup
 * of its own below `hearth`. The cgroup's name says which process made it, because a cgroup cannot hold a file: so what a
 * process that is gone left behind is told from what is in use. Where there can be none, machines have no limits, and the probe
 * says so. Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, pids.rst and scheduler/sched-bwc.rst.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { EngineError } from "../lib/engine-error.ts";
import { identifyProcess, isAlive } from "../lib/process-identity.ts";
import { controllersOf } from "./cgroup-root.ts";
import type { CgroupRoot, Controller } from "./cgroup-root.ts";

export interface CgroupLimits {
  readonly cpus: number;
  /** Of all that is charged to the machine's processes: what the provider needs beside the guest's memory is to be added. */
  readonly memoryMib: number;
  /** Processes and threads together. */
  readonly tasks: number;
}

export interface CgroupEvents {
  /** Processes that the kernel killed because the memory limit was reached. */
  readonly oomKills: number;
  /** How often the limit of tasks refused one. */
  readonly refusedTasks: number;
  /** What the kernel could not take back at need is within 2 % of the limit now: without a kill, all in it stands nearly still. */
  readonly isMemoryFull: boolean;
}

export interface Cgroup extends AsyncDisposable {
  /** Put before an argument vector: the process enters the cgroup before it becomes the program. */
  readonly prefix: readonly string[];
  /** What the limits have done so far; nothing when the cgroup is gone. */
  events(): Promise<CgroupEvents>;
}

const MIB = 1024 * 1024;
const PARENT = "hearth";
const PERIOD_US = 100_000;
const REMOVAL_DEADLINE_MS = 15_000;
const REMOVAL_RETRY_MS = 10;

/** Writes itself into the first `$1` files after it, and becomes what follows them. */
const ENTER = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 125; shift; n=$((n - 1)); done; exec "$@"';

/**
 * Disposing needs the machine's processes gone; then nothing of the cgroup is left. Throws `EngineError` MACHINE_START_FAILED,
 * and then nothing is left either.
 */
export async function createCgroup(root: CgroupRoot, id: string, limits: CgroupLimits): Promise<Cgroup> {
  const name = nameFor(id);
  const directories: string[] = [];
  const remove = async (): Promise<void> => {
    for (const directory of directories) await removeCgroup(directory);
  };
  try {
    await openParents(root);
    for (const directory of distinct(root).map((parent) => join(parent, PARENT, name))) {
      await mkdir(directory);
      directories.push(directory);
    }
    for (const { file, value, isOptional } of settingsOf(root, name, limits)) {
      // Swap is not accounted, and groups are not known, on every kernel.
      await (isOptional ? writeIfThere(file, value) : writeFile(file, value));
    }
  } catch (cause) {
    await remove();
    throw new EngineError("MACHINE_START_FAILED", `Cannot limit machine ${id}: its cgroup cannot be made`, { cause });
  }
  const entrances = directories.map((directory) => join(directory, "cgroup.procs"));
  return {
    prefix: ["/bin/sh", "-c", ENTER, "sh", String(entrances.length), ...entrances],
    events: async () => {
      const [memory, pids] = [partOf(root, "memory", name), partOf(root, "pids", name)];
      return {
        oomKills: await counter(join(memory, root.version === 2 ? "memory.events" : "memory.oom_control"), "oom_kill"),
        refusedTasks: await counter(join(pids, "pids.events"), "max"),
        isMemoryFull: (await heldBytes(root, memory)) > 0.98 * limits.memoryMib * MIB,
      };
    },
    [Symbol.asyncDispose]: remove,
  };
}

export interface KnownCgroup {
  readonly id: string;
  /** The process that made it still runs. */
  readonly isOwned: boolean;
}

/** All that Hearth made below `root`, whichever process of it did. */
export async function listCgroups(root: CgroupRoot): Promise<readonly KnownCgroup[]> {
  return (await entriesOf(root)).map(({ id, isOwned }) => ({ id, isOwned }));
}

/** Removes those whose maker is gone and in which nothing runs. Safe to call at any time, also by several processes at once. */
export async function sweepCgroups(root: CgroupRoot): Promise<void> {
  const abandoned = (await entriesOf(root)).filter(({ isOwned }) => !isOwned);
  for (const { name } of abandoned) {
    for (const directory of distinct(root)) await tryRemove(join(directory, PARENT, name));
  }
}

async function openParents(root: CgroupRoot): Promise<void> {
  for (const directory of distinct(root)) await mkdir(join(directory, PARENT), { recursive: true });
  if (root.version === 1) return;
  const enable = controllersOf(root.directories)
    .map((controller) => `+${controller}`)
    .join(" ");
  for (const directory of distinct(root)) {
    await writeFile(join(directory, "cgroup.subtree_control"), enable);
    await writeFile(join(directory, PARENT, "cgroup.subtree_control"), enable);
  }
}

interface Setting {
  readonly file: string;
  readonly value: string;
  readonly isOptional: boolean;
}

function settingsOf(root: CgroupRoot, name: string, limits: CgroupLimits): readonly Setting[] {
  const set = (controller: Controller, file: string, value: number, isOptional = false): Setting => ({
    file: join(partOf(root, controller, name), file),
    value: String(value),
    isOptional,
  });
  const bytes = limits.memoryMib * MIB;
  const quota = limits.cpus * PERIOD_US;
  const hasCpu = root.directories.cpu !== undefined;
  if (root.version === 1) {
    return [
      set("memory", "memory.limit_in_bytes", bytes),
      // With swap; after the limit itself, which it may not be below.
      set("memory", "memory.memsw.limit_in_bytes", bytes, true),
      set("pids", "pids.max", limits.tasks),
      ...(hasCpu ? [set("cpu", "cpu.cfs_period_us", PERIOD_US), set("cpu", "cpu.cfs_quota_us", quota)] : []),
    ];
  }
  const cpu = { ...set("pids", "cpu.max", quota), value: `${quota} ${PERIOD_US}` };
  return [
    set("memory", "memory.max", bytes),
    set("memory", "memory.swap.max", 0, true),
    // A machine that has lost one of its processes is of no use: all of them end, and it is seen at once.
    set("memory", "memory.oom.group", 1, true),
    set("pids", "pids.max", limits.tasks),
    ...(hasCpu ? [cpu] : []),
  ];
}

function distinct(root: CgroupRoot): readonly string[] {
  return [...new Set(controllersOf(root.directories).flatMap((controller) => root.directories[controller] ?? []))];
}

/** `createCgroup` is called only with a root that has the controller, or asks before. */
function partOf(root: CgroupRoot, controller: Controller, name: string): string {
  const directory = root.directories[controller];
  if (directory === undefined) throw new Error(`cgroups without the ${controller} controller`);
  return join(directory, PARENT, name);
}

/** The id has no dot; the start time tells a process from a later one with the same number. */
function nameFor(id: string): string {
  const { pid, startTicks } = identifyProcess(process.pid);
  return `${id}.${pid}.${startTicks ?? 0}`;
}

interface Entry extends KnownCgroup {
  readonly name: string;
}

async function entriesOf(root: CgroupRoot): Promise<readonly Entry[]> {
  const all = await Promise.all(distinct(root).map((directory) => namesIn(join(directory, PARENT))));
  return [...new Set(all.flat())].flatMap((name) => {
    const [, id, pid, startTicks] = /^([a-z0-9-]+)\.(\d+)\.(\d+)$/.exec(name) ?? [];
    if (id === undefined || pid === undefined || startTicks === undefined) return [];
    // A cgroup does not outlive the boot it was made in.
    const { bootId } = identifyProcess(process.pid);
    return [{ name, id, isOwned: isAlive({ pid: Number(pid), bootId, startTicks }) }];
  });
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** But for the pages of files, which are on a disk. */
async function heldBytes({ version }: CgroupRoot, directory: string): Promise<number> {
  const stat = join(directory, "memory.stat");
  const prefix = version === 2 ? "" : "total_";
  const files = await Promise.all(["active_file", "inactive_file"].map((key) => counter(stat, `${prefix}${key}`)));
  const used = await counter(join(directory, version === 2 ? "memory.current" : "memory.usage_in_bytes"), undefined);
  return files.reduce((rest, bytes) => rest - bytes, used);
}

/** The number behind `key`, or the file's only one. */
async function counter(file: string, key: string | undefined): Promise<number> {
  try {
    const lines = (await readFile(file, "utf8")).split("\n").map((line) => line.split(" "));
    if (key === undefined) return Number(lines[0]?.[0] ?? 0);
    return Number(lines.find(([name]) => name === key)?.[1] ?? 0);
  } catch (error) {
    // ENODEV: it was removed while it was read.
    if (["ENOENT", "ENODEV"].includes(String(codeOf(error)))) return 0;
    throw error;
  }
}

/** A process that has just ended may count for a moment longer: the kernel then says EBUSY. */
async function removeCgroup(directory: string): Promise<void> {
  for (const deadline = performance.now() + REMOVAL_DEADLINE_MS; ; await setTimeout(REMOVAL_RETRY_MS)) {
    if (await tryRemove(directory)) return;
    if (performance.now() > deadline) {
      throw new EngineError("MACHINE_LOST", `Cannot remove cgroup ${directory}: processes are left in it`);
    }
  }
}

/** False when something runs in it, or it is another user's. */
async function tryRemove(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return true;
    if (["EBUSY", "ENOTEMPTY", "EACCES", "EPERM"].includes(String(codeOf(error)))) return false;
    throw error;
  }
}

async function writeIfThere(file: string, value: string): Promise<void> {
  try {
    await writeFile(file, value, { flag: "r+" });
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
