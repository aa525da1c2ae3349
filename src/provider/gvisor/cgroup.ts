/**
 * Limits of a machine's memory, processor time and processes, for all of its processes on the host together: a cgroup (v2) of
 * its own. Only where one can be made: root on a host whose controllers are in v2. Elsewhere a machine has no limits, and the
 * probe says so. Source: the kernel's Documentation/admin-guide/cgroup-v2.rst.
 */
import { access, constants, mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

export interface CgroupLimits {
  readonly cpus: number;
  readonly memoryMib: number;
}

export interface Cgroup extends AsyncDisposable {
  /** Put before an argument vector: the process enters the cgroup before it becomes the program. */
  readonly prefix: readonly string[];
}

const CONTROLLERS = ["cpu", "memory", "pids"];
/** What gVisor's kernel itself needs beside the guest's memory. */
const SENTRY_MIB = 256;
/** gVisor has threads and stub processes of its own for the guest's; a fork bomb ends here. */
const MAX_TASKS = 16_384;
const PERIOD_US = 100_000;
const REMOVAL_DEADLINE_MS = 2_000;
const REMOVAL_RETRY_MS = 10;

/**
 * Whether machines can be limited here; changes nothing. `mount` is where cgroup2 is mounted. A cgroup that is not the real root
 * and has processes in it cannot hand controllers to children, so there they must have been handed down already.
 */
export async function canLimit(mount: string): Promise<boolean> {
  try {
    await access(mount, constants.W_OK);
    await access(join(mount, "cgroup.subtree_control"), constants.W_OK);
    if (!(await namesAll(join(mount, "cgroup.controllers")))) return false;
    return (await namesAll(join(mount, "cgroup.subtree_control"))) || !(await exists(join(mount, "cgroup.type")));
  } catch {
    // No cgroup v2, read-only, or not ours: for limits it is all the same.
    return false;
  }
}

/** Call only where `canLimit`. Disposing needs the machine's processes gone; then nothing of the cgroup is left. */
export async function createCgroup(mount: string, id: string, limits: CgroupLimits): Promise<Cgroup> {
  const parent = join(mount, "hearth");
  const enable = CONTROLLERS.map((name) => `+${name}`).join(" ");
  await mkdir(parent, { recursive: true });
  await writeFile(join(mount, "cgroup.subtree_control"), enable);
  await writeFile(join(parent, "cgroup.subtree_control"), enable);
  const directory = join(parent, id);
  await mkdir(directory);
  await writeFile(join(directory, "memory.max"), String((limits.memoryMib + SENTRY_MIB) * 1024 * 1024));
  await writeFile(join(directory, "cpu.max"), `${limits.cpus * PERIOD_US} ${PERIOD_US}`);
  await writeFile(join(directory, "pids.max"), String(MAX_TASKS));
  return {
    prefix: ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', join(directory, "cgroup.procs")],
    [Symbol.asyncDispose]: async () => removeCgroup(directory),
  };
}

/** A process that has just ended may count for a moment longer: the kernel then says EBUSY. */
async function removeCgroup(directory: string): Promise<void> {
  for (const deadline = performance.now() + REMOVAL_DEADLINE_MS; ; await setTimeout(REMOVAL_RETRY_MS)) {
    try {
      return await rmdir(directory);
    } catch (error) {
      const isBusy = error instanceof Error && "code" in error && error.code === "EBUSY";
      if (!isBusy || performance.now() > deadline) throw error;
    }
  }
}

async function namesAll(file: string): Promise<boolean> {
  const names = (await readFile(file, "utf8")).trim().split(" ");
  return CONTROLLERS.every((name) => names.includes(name));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
