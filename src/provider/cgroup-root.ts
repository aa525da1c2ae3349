/**
 * Where on this host machines can get cgroups, if anywhere: v2 as root; v2 that was handed to an ordinary user (systemd's user
 * manager); v1. Looks and changes nothing. Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/;
 * systemd.io/CGROUP_DELEGATION.
 */
import { access, constants, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface CgroupHost {
  /** Where cgroups are mounted: cgroup2 itself, or the directory with one mount for each controller of v1. */
  readonly mount: string;
  /** Content of /proc/self/cgroup. */
  readonly own: string;
}

export type Controller = "memory" | "pids" | "cpu";

export interface CgroupRoot {
  readonly version: 1 | 2;
  /** The cgroup below which ours are made, for each controller that there is: in v2 always the same one. */
  readonly directories: Readonly<Partial<Record<Controller, string>>>;
}

const NEEDED: readonly Controller[] = ["memory", "pids"];
const WANTED: readonly Controller[] = [...NEEDED, "cpu"];

/** The usual mount, and this process's own cgroups. */
export async function thisHost(): Promise<CgroupHost> {
  // No such file: a system without cgroups.
  return { mount: "/sys/fs/cgroup", own: await readFile("/proc/self/cgroup", "utf8").catch(() => "") };
}

/** Undefined where machines cannot be limited. Processor time can be limited only where that controller is given. */
export async function findCgroupRoot(host: CgroupHost): Promise<CgroupRoot | undefined> {
  return (await findV2(host)) ?? (await findV1(host));
}

/** In words, for a probe. */
export function describeLimits(root: CgroupRoot | undefined): string {
  if (root === undefined) return "no limits: no cgroup that can be written";
  return `limits of ${controllersOf(root.directories).join(", ")} by cgroup v${root.version}`;
}

export function controllersOf(directories: CgroupRoot["directories"]): readonly Controller[] {
  return WANTED.filter((name) => directories[name] !== undefined);
}

async function findV2({ mount, own }: CgroupHost): Promise<CgroupRoot | undefined> {
  const path = /^0::(\/.*)$/m.exec(own)?.[1];
  // The root first: what a service manager does to the cgroups it made then does not touch ours.
  for (const directory of [mount, ...(path === undefined ? [] : ancestors(mount, path))]) {
    const controllers = await canHandDown(directory);
    if (controllers === undefined) continue;
    return { version: 2, directories: Object.fromEntries(controllers.map((name) => [name, directory])) };
  }
  return undefined;
}

/** The cgroup of `path` and those above it, nearest first, without the root. */
function ancestors(mount: string, path: string): readonly string[] {
  const found: string[] = [];
  // Outside of what a cgroup namespace shows, the kernel writes paths with `..`.
  for (let at = path; at !== "/" && !at.includes(".."); at = dirname(at)) found.push(join(mount, at));
  return found;
}

/**
 * The controllers that children of `directory` can have, when they can be made and entered from here. A cgroup that is not the
 * real root and has processes in it cannot hand controllers down, so there they must have been handed down already.
 */
async function canHandDown(directory: string): Promise<readonly Controller[] | undefined> {
  const file = (name: string): string => join(directory, name);
  try {
    // Entering a child takes the right to write the `cgroup.procs` of what it has in common with where one was.
    for (const path of [directory, file("cgroup.subtree_control"), file("cgroup.procs")])
      await access(path, constants.W_OK);
    const given = await controllersIn(file("cgroup.subtree_control"));
    if (hasNeeded(given)) return given;
    const available = await controllersIn(file("cgroup.controllers"));
    const isFree =
      !(await isThere(file("cgroup.type"))) || (await readFile(file("cgroup.procs"), "utf8")).trim() === "";
    return hasNeeded(available) && isFree ? available : undefined;
  } catch {
    // No cgroup v2, read-only, or not ours: for limits it is all the same.
    return undefined;
  }
}

async function controllersIn(file: string): Promise<readonly Controller[]> {
  const names = (await readFile(file, "utf8")).trim().split(" ");
  return WANTED.filter((name) => names.includes(name));
}

async function findV1({ mount }: CgroupHost): Promise<CgroupRoot | undefined> {
  const directories: Partial<Record<Controller, string>> = {};
  for (const controller of WANTED) {
    const directory = join(mount, controller);
    // A v2 tree may have a cgroup of that name; only v1 has `tasks`.
    const isV1 =
      (await isThere(join(directory, "tasks"))) && (await isThere(join(directory, "cgroup.procs"), constants.W_OK));
    if (isV1) directories[controller] = directory;
  }
  return hasNeeded(controllersOf(directories)) ? { version: 1, directories } : undefined;
}

function hasNeeded(controllers: readonly Controller[]): boolean {
  return NEEDED.every((name) => controllers.includes(name));
}

/** With a mode: there, and ours to use so. */
async function isThere(path: string, mode = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
