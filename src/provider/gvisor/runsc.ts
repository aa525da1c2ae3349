/**
 * The runsc binary: where it is, and the argument vectors it is called with. Flags tried and measured one by one; the pinned
 * version is named in `setup/gvisor.ts`.
 */
import { access, constants } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { ifUnshareLives, tiedNamespacePrefix } from "../../lib/tied-process.ts";

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
 * ends, the kernel ends all the others and drops runsc's mounts. `--kill-child` ties it to whoever started it,
 * which is for `tiedToUs` to do.
 */
export function runArgv(runsc: Runsc, directories: SandboxDirectories): readonly string[] {
  return foregroundArgv(runsc, directories, ["run"]);
}

/** As `runArgv`; the sandbox goes on from what was saved in `savedIn`, which is only read, also while it already runs. */
export function restoreArgv(runsc: Runsc, directories: SandboxDirectories, savedIn: string): readonly string[] {
  return foregroundArgv(runsc, directories, ["restore", "--background", `--image-path=${savedIn}`]);
}

export interface CheckpointOptions {
  /** Of the sandbox, on this host: the first of its namespaces, in which runsc's own process ids are true. */
  readonly firstPid: number;
  /** An empty directory, or one with other files in it. */
  readonly saveIn: string;
}

/**
 * Saves a sandbox that runs, and runs on: its memory and what it has written, together. If it were to end, then this
 * process, which is in its namespace, might be ended with it before it could say that all is well.
 */
export function checkpointArgv(
  { binary, uid }: Runsc,
  { state }: Pick<SandboxDirectories, "state">,
  { firstPid, saveIn }: CheckpointOptions,
): readonly string[] {
  const userNamespace = uid === 0 ? [] : ["--user", "--preserve-credentials"];
  return [
    "nsenter",
    `--target=${firstPid}`,
    ...userNamespace,
    "--mount",
    "--pid",
    "--",
    binary,
    `--root=${state}`,
    "checkpoint",
    `--image-path=${saveIn}`,
    "--exclude-committed-zero-pages",
    "--leave-running",
    SANDBOX,
  ];
}

/** `runArgv`'s and `restoreArgv`'s end with this process, however that ends: a Hearth that is killed leaves no sandbox behind. */
export function tiedToUs(argv: readonly string[]): readonly string[] {
  return [...tiedNamespacePrefix(), ...argv];
}

/**
 * gVisor's kernel and the guest's threads wait for one another by spinning, each on a core, which is quicker where there is a core for
 * each. On a host with two it takes from others, and starting processes takes a fifth more. Larger ones were not measured.
 */
const FEW_CORES = 2;

/** Names are local to `--root`; a constant keeps the path of runsc's control socket short. */
const SANDBOX = "machine";

function foregroundArgv(runsc: Runsc, directories: SandboxDirectories, command: readonly string[]): readonly string[] {
  const userNamespace = runsc.uid === 0 ? [] : ["--map-root-user", "--map-auto"];
  const namespaces = ["unshare", ...userNamespace, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];
  return [
    ...namespaces,
    "/bin/sh",
    "-c",
    `${ifUnshareLives}exec "$@" 3<&-`,
    "sh",
    runsc.binary,
    `--root=${directories.state}`,
    "--platform=systrap",
    ...(availableParallelism() > FEW_CORES ? [] : ["--systrap-disable-fast-path"]),
    "--network=none",
    // Limits are ours to set (`../cgroup.ts`): runsc's own need root and a cgroup of its choice.
    "--ignore-cgroups",
    "--host-uds=open",
    // Without it sudo fails in the guest.
    "--allow-suid",
    // What the guest writes goes to an unnamed file there: in memory it would count as such, and a build can write gigabytes.
    `--overlay2=root:dir=${directories.overlay},size=${directories.diskMib}M`,
    ...command,
    `--bundle=${directories.bundle}`,
    SANDBOX,
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
