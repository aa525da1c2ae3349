/**
 * The runsc binary: where it is, and the argument vectors it is called with. Flags tried and measured one by one; the pinned
 * version is named in `setup/gvisor.ts`.
 */
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";

export interface Runsc {
  readonly binary: string;
  /** Whose processes the sandboxes are: 0, or an ordinary user, who gets a user namespace. */
  readonly uid: number;
}

/** `state` is runsc's own `--root`: each sandbox has one, so sandboxes never meet. `overlay` may be shared: see `runArgv`. */
export interface SandboxDirectories {
  readonly bundle: string;
  readonly state: string;
  readonly overlay: string;
  /** What the guest may write beside the image, in memory excepted. */
  readonly diskMib: number;
}

/** The one that `hearth setup gvisor` put there, else the first on `searchPath`. */
export async function findRunsc(dataDir: string, searchPath: string): Promise<string | undefined> {
  const directories = [join(dataDir, "bin"), ...searchPath.split(delimiter).filter((directory) => directory !== "")];
  for (const directory of directories) {
    const binary = join(directory, "runsc");
    if (await isExecutable(binary)) return binary;
  }
  return undefined;
}

/**
 * Starts a sandbox in the foreground. It lives in a process and mount namespace whose first process is runsc: when that one
 * ends, the kernel ends all the others and drops runsc's mounts. `--kill-child` and `--pdeathsig` tie it to this process,
 * so that a Hearth that is killed leaves no sandbox behind.
 */
export function runArgv(runsc: Runsc, directories: SandboxDirectories): readonly string[] {
  const userNamespace = runsc.uid === 0 ? [] : ["--map-root-user", "--map-auto"];
  const namespaces = ["unshare", ...userNamespace, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];
  return [
    "setpriv",
    "--pdeathsig=KILL",
    "--",
    ...namespaces,
    runsc.binary,
    `--root=${directories.state}`,
    "--platform=systrap",
    "--network=none",
    // Limits are ours to set (`../cgroup.ts`): runsc's own need root and a cgroup of its choice.
    "--ignore-cgroups",
    "--host-uds=open",
    // Without it sudo fails in the guest.
    "--allow-suid",
    // What the guest writes goes to an unnamed file there: in memory it would count as such, and a build can write gigabytes.
    `--overlay2=root:dir=${directories.overlay},size=${directories.diskMib}M`,
    "run",
    `--bundle=${directories.bundle}`,
    // Names are local to `--root`; a constant keeps the path of runsc's control socket short.
    "machine",
  ];
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    // Absent or not ours to run: either way not the one.
    return false;
  }
}
