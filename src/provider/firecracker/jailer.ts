/**
 * The jailer's command line (Firecracker's docs/jailer.md): it makes the machine's directory the process's root, gives up root for
 * an account that is this machine's alone, and limits what the process may use. Pure.
 *
 * Not asked for here: a pid namespace, which the process gets from outside (`vm-process.ts`), so that the machine ends with us; and a
 * network namespace, as there is no network device.
 */
import { join } from "node:path";

export interface Jail {
  readonly id: string;
  readonly jailer: string;
  /** Its file name must contain `firecracker`. */
  readonly firecracker: string;
  readonly base: string;
  readonly uid: number;
  readonly gid: number;
  /** Undefined where cgroup v2 cannot be used. */
  readonly cgroup: CgroupLimits | undefined;
  /** The largest file it may write. */
  readonly maxFileBytes: number;
}

export interface CgroupLimits {
  readonly cpus: number;
  readonly memoryMib: number;
}

/** Below cgroup v2's mount: `<parent>/<id>`. The jailer makes it and leaves it behind. */
export const CGROUP_PARENT = "hearth-firecracker";

/** What Firecracker itself needs beside the guest's memory; it is some 5 MiB, and page cache counts too. */
const VMM_MIB = 128;
const MAX_TASKS = 256;
const MAX_OPEN_FILES = 2048;
const PERIOD_US = 100_000;

/** Where the jailer puts the process's root, given its `base`. */
export function jailRoot(base: string, id: string): string {
  return join(jailDirectory(base, id), "root");
}

export function jailDirectory(base: string, id: string): string {
  return join(base, "firecracker", id);
}

export function jailerArguments(jail: Jail, firecrackerArguments: readonly string[]): string[] {
  const { id, jailer, firecracker, base, uid, gid, cgroup, maxFileBytes } = jail;
  return [
    jailer,
    "--id",
    id,
    "--exec-file",
    firecracker,
    "--uid",
    String(uid),
    "--gid",
    String(gid),
    "--chroot-base-dir",
    base,
    ...(cgroup === undefined ? [] : cgroupArguments(cgroup)),
    "--resource-limit",
    `fsize=${maxFileBytes}`,
    "--resource-limit",
    `no-file=${MAX_OPEN_FILES}`,
    "--",
    ...firecrackerArguments,
  ];
}

function cgroupArguments({ cpus, memoryMib }: CgroupLimits): string[] {
  const settings = [
    `memory.max=${(memoryMib + VMM_MIB) * 1024 * 1024}`,
    "memory.swap.max=0",
    `cpu.max=${cpus * PERIOD_US} ${PERIOD_US}`,
    `pids.max=${MAX_TASKS}`,
  ];
  return [
    "--cgroup-version",
    "2",
    "--parent-cgroup",
    CGROUP_PARENT,
    ...settings.flatMap((setting) => ["--cgroup", setting]),
  ];
}
