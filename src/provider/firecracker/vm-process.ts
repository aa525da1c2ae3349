/**
 * One running Firecracker and the directory that is its world: kernel, disks, API socket and channel are there under names that
 * are the same for every machine, relative to it, so that a snapshot taken in one directory can be loaded in another. Jailed, the
 * directory is the process's root; without the jailer only where it starts.
 *
 * The machine cannot outlive us, however we end. Jailed it has changed its user, which clears the kernel's promise to kill it with
 * its parent (prctl(2), PR_SET_PDEATHSIG); so it lives in a pid namespace whose first process keeps root and the promise.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, open, rmdir } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { claimDirectory, removeOwned, sweepAbandoned } from "../../lib/owned-directory.ts";
import { ifUnshareLives, tiedNamespacePrefix, tiedPrefix } from "../../lib/tied-process.ts";
import { MachineStartError } from "../provider.ts";
import { ConsoleTail } from "../qemu/console-tail.ts";
import { takeVmAccount } from "../vm-account.ts";
import type { VmAccount } from "../vm-account.ts";
import { FirecrackerClient } from "./client.ts";
import { CGROUP_PARENT, jailDirectory, jailRoot, jailerArguments } from "./jailer.ts";
import type { CgroupLimits } from "./jailer.ts";
import { describeLoss } from "./loss.ts";
import type { VmEnd } from "./loss.ts";

export interface VmProcessOptions {
  readonly dataDir: string;
  readonly id: string;
  /** Path of the binary. */
  readonly firecracker: string;
  /** Path of the jailer; undefined: run without, with what setpriv can do. */
  readonly jailer: string | undefined;
  /** Undefined where cgroup v2 cannot be used; without the jailer there are no limits either. */
  readonly cgroup: { readonly mount: string; readonly limits: CgroupLimits } | undefined;
}

/** The directory, before the process: files are put there first. */
export interface VmDirectory {
  readonly root: string;
  /** Whose files it may write are. */
  readonly account: VmAccount | undefined;
  /** Gives a file in the directory to the machine. */
  give(name: string): Promise<void>;
}

export interface VmProcess extends AsyncDisposable {
  readonly directory: VmDirectory;
  readonly client: FirecrackerClient;
  /** What it and its guest's serial port printed last. */
  readonly console: ConsoleTail;
  /** A name in the directory, short enough for a socket whatever the directory is called. */
  socketPath(name: string): string;
  /** Resolves with how it ended, whoever ended it; never rejects. */
  readonly ended: Promise<VmEnd>;
}

const API_SOCKET = "api.sock";
/** As much as the scratch disk, and a file system's own. */
const MAX_FILE_BYTES = 21 * 1024 ** 3;
const SOCKET_DEADLINE_MS = 10_000;
const SOCKET_RETRY_MS = 2;
const END_DEADLINE_MS = 10_000;

/**
 * Makes the directory, has `fill` put files there, starts Firecracker in it and waits until its API answers. Throws
 * MACHINE_START_FAILED, or what `fill` threw; then nothing is left.
 */
export async function startVmProcess(
  options: VmProcessOptions,
  fill: (directory: VmDirectory) => Promise<void>,
  signal: AbortSignal,
): Promise<VmProcess> {
  const base = join(options.dataDir, "jail");
  await mkdir(join(base, "firecracker"), { recursive: true, mode: 0o700 });
  await sweepAbandoned(join(base, "firecracker"));
  await using undo = new AsyncDisposableStack();
  const account = options.jailer === undefined ? undefined : undo.use(await takeVmAccount(options.dataDir, signal));
  const own = jailDirectory(base, options.id);
  await mkdir(own, { mode: 0o711 });
  undo.defer(() => removeOwned(own));
  claimDirectory(own);
  const root = jailRoot(base, options.id);
  await mkdir(root, { mode: 0o700 });
  const directory: VmDirectory = { root, account, give: (name) => giveTo(account, join(root, name)) };
  if (account !== undefined) await chown(root, account.uid, account.gid);
  await fill(directory);
  signal.throwIfAborted();
  // Through a descriptor of ours: a socket's path has at most 107 bytes.
  const handle = undo.use(await open(root, "r"));
  undo.defer(() => removeCgroup(options));
  const child = launch(options, base, root, account);
  const console = new ConsoleTail();
  const ended = untilEnd(child, console);
  undo.defer(() => end(child, ended, options.id));
  const socketPath = (name: string): string => `/proc/self/fd/${handle.fd}/${name}`;
  const client = new FirecrackerClient(socketPath(API_SOCKET));
  await untilListening(client, { id: options.id, ended, console }, signal);
  const life = undo.move();
  let disposal: Promise<void> | undefined;
  return {
    directory,
    client,
    console,
    socketPath,
    ended,
    [Symbol.asyncDispose]: () => (disposal ??= life.disposeAsync()),
  };
}

async function giveTo(account: VmAccount | undefined, path: string): Promise<void> {
  if (account !== undefined) await chown(path, account.uid, account.gid);
}

/** The shell stays as the namespace's first process; what it runs is not the last command, or it would take its place. */
const FIRST_PROCESS = `${ifUnshareLives}"$@" 3<&-; exit $?`;

function launch(
  { id, firecracker, jailer, cgroup }: VmProcessOptions,
  base: string,
  root: string,
  account: VmAccount | undefined,
): ChildProcess {
  const api = ["--api-sock", API_SOCKET];
  const options = ["--no-new-privs"];
  const [program = "", ...argv] =
    jailer === undefined || account === undefined
      ? [...tiedPrefix(options), firecracker, "--id", id, ...api]
      : [
          ...tiedNamespacePrefix(options),
          "unshare",
          "--pid",
          "--fork",
          "--kill-child=KILL",
          "--",
          "/bin/sh",
          "-c",
          FIRST_PROCESS,
          "hearth",
          ...jailerArguments(
            {
              id,
              jailer,
              firecracker,
              base,
              uid: account.uid,
              gid: account.gid,
              cgroup: cgroup?.limits,
              maxFileBytes: MAX_FILE_BYTES,
            },
            api,
          ),
        ];
  // A session of its own: Ctrl-C in a terminal reaches us alone. No environment: the machine needs none of ours.
  return spawn(program, argv, {
    cwd: root,
    detached: true,
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Its output ends when the last process that could write to it has: then the machine is gone, and not only what started it. */
async function untilEnd(child: ChildProcess, console: ConsoleTail): Promise<VmEnd> {
  const outputs = [child.stdout, child.stderr].filter((stream) => stream !== null);
  for (const stream of outputs) stream.on("data", (chunk: Buffer) => console.write(chunk));
  const read = outputs.map((stream) => once(stream, "close"));
  const how = await new Promise<VmEnd>((resolve) => {
    child.once("error", (error) =>
      resolve({ signal: undefined, reason: `Firecracker could not be started: ${error.message}` }),
    );
    child.once("exit", (code, signal) => resolve(describeEnd(code, signal)));
  });
  await Promise.all(read);
  return how;
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null): VmEnd {
  const killedBy = signal ?? signalOf(code ?? 0);
  if (killedBy !== undefined) return { signal: killedBy, reason: `Firecracker was killed by ${killedBy}` };
  return {
    signal: undefined,
    reason: code === 0 ? "the guest switched itself off" : `Firecracker ended with exit code ${code}`,
  };
}

/** As a shell tells it. Firecracker's own exit codes from 148 on (its docs: `FcExitCode`) lie above the signals that end it. */
function signalOf(code: number): string | undefined {
  const names = Object.entries(constants.signals);
  return code > 128 && code < 148 ? names.find(([, number]) => number === code - 128)?.[0] : undefined;
}

/** The socket is there a moment before anybody listens on it. */
async function untilListening(
  client: FirecrackerClient,
  { id, ended, console }: { readonly id: string; readonly ended: Promise<VmEnd>; readonly console: ConsoleTail },
  signal: AbortSignal,
): Promise<void> {
  let over: VmEnd | undefined;
  void ended.then((end) => (over = end));
  for (const deadline = performance.now() + SOCKET_DEADLINE_MS; ; await delay(SOCKET_RETRY_MS)) {
    signal.throwIfAborted();
    if (over !== undefined) throw new MachineStartError(id, describeLoss(over, console.text()));
    try {
      await client.describe();
      return;
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== "MACHINE_LOST") throw error;
      if (performance.now() > deadline) throw startFailed(error.message, console);
    }
  }
}

function startFailed(reason: string, console: ConsoleTail): EngineError {
  const said = console.text();
  return new EngineError("MACHINE_START_FAILED", said === "" ? reason : `${reason}\n${said}`);
}

async function end(child: ChildProcess, ended: Promise<VmEnd>, id: string): Promise<void> {
  child.kill("SIGKILL");
  await withDeadline(ended, END_DEADLINE_MS, () => {
    throw new EngineError("MACHINE_LOST", `Machine ${id} does not end: see its processes with ps`);
  });
}

async function removeCgroup({ id, jailer, cgroup }: VmProcessOptions): Promise<void> {
  if (jailer === undefined || cgroup === undefined) return;
  const directory = join(cgroup.mount, CGROUP_PARENT, id);
  for (const deadline = performance.now() + END_DEADLINE_MS; ; await delay(10)) {
    try {
      return await rmdir(directory);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      // The jailer did not come so far.
      if (code === "ENOENT") return;
      // A process that has just ended may count for a moment longer.
      if (code !== "EBUSY" || performance.now() > deadline) throw error;
    }
  }
}
