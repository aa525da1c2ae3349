/**
 * Whether this host can run gVisor sandboxes: proven by running one, not by the presence of a binary. In it this host's own
 * Node, its libraries mounted read-only, dials a socket that we listen on, which is all that a machine later stands on. Takes
 * 0.2 s; a success is remembered until the host reboots or the binary changes, a failure never.
 */
import { access, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withDeadline } from "../../lib/deadline.ts";
import { runCommand } from "../../lib/run-command.ts";
import { ownUserName } from "../../lib/own-user-name.ts";
import { describeLimits } from "../cgroup-root.ts";
import type { CgroupRoot } from "../cgroup-root.ts";
import type { Probe } from "../provider.ts";
import { channelMount, ociConfig, readOnlyMount } from "./bundle.ts";
import { openDoor } from "./guest-door.ts";
import { describeEnd, lossOf } from "./loss.ts";
import type { SandboxEnd } from "./loss.ts";
import type { Runsc } from "./runsc.ts";
import { findRunsc, runArgv, tiedToUs } from "./runsc.ts";
import { startSandbox } from "./sandbox-process.ts";

export interface GvisorHost {
  readonly dataDir: string;
  /** As the variable PATH. */
  readonly searchPath: string;
  /** Whose processes the sandboxes are. */
  readonly uid: number;
  /** Undefined: machines have no limits. */
  readonly cgroups: CgroupRoot | undefined;
}

const PROBE_DEADLINE_MS = 20_000;

export async function probeGvisor(host: GvisorHost): Promise<Probe> {
  if (process.platform !== "linux") return unable("gVisor runs on Linux only", "use --provider qemu");
  const binary = await findRunsc(host.dataDir, host.searchPath);
  if (binary === undefined) return unable("runsc is not installed", "hearth setup gvisor");
  const runsc = { binary, uid: host.uid };
  if (!(await isRemembered(runsc, host.dataDir))) {
    const missing = await missingNamespaces(host.uid);
    if (missing !== undefined) return missing;
    const failure = await trySandbox(runsc, host.dataDir);
    if (failure !== undefined) return unable(`${binary} cannot run a sandbox: ${failure}`, "hearth setup gvisor");
    await remember(runsc, host.dataDir);
  }
  const who = host.uid === 0 ? "as root" : "in a user namespace";
  return { ok: true, isolation: "sandbox (gVisor)", detail: `${binary}, ${who}, ${describeLimits(host.cgroups)}` };
}

/**
 * Undefined when a sandbox ran and could reach us; else why not, in one line. One that somebody killed says nothing of gVisor and
 * is tried again. Leaves nothing behind.
 */
export async function trySandbox(runsc: Runsc, dataDir: string): Promise<string | undefined> {
  let failure: string | undefined = KILLED;
  for (let tries = 0; tries < MAX_TRIES && failure === KILLED; tries++) failure = await tryOnce(runsc, dataDir);
  return failure;
}

const KILLED = "it was killed by SIGKILL";
const MAX_TRIES = 3;

async function tryOnce(runsc: Runsc, dataDir: string): Promise<string | undefined> {
  await mkdir(dataDir, { recursive: true });
  const directory = await mkdtemp(join(dataDir, "probe-"));
  try {
    const under = (name: string) => join(directory, name);
    for (const name of ["root", "channel", "state", "overlay"]) await mkdir(under(name));
    const libraries = await existing(["/usr", "/lib", "/lib64", "/nix"]);
    const config = ociConfig({
      rootfs: under("root"),
      hostname: "probe",
      tmpfsMib: 64,
      argv: ["/node", "--eval", DIAL_AND_ANSWER],
      env: {},
      mounts: [
        ...libraries.map((path) => readOnlyMount(path, path)),
        readOnlyMount(process.execPath, "/node"),
        channelMount(under("channel"), "/channel"),
      ],
    });
    await writeFile(under("config.json"), JSON.stringify(config));
    await using door = await openDoor(under("channel/probe.sock"));
    const directories = { bundle: directory, state: under("state"), overlay: under("overlay"), diskMib: 64 };
    await using sandbox = startSandbox(tiedToUs(runArgv(runsc, directories)), directory);
    const entered = door.entered.then(() => undefined);
    const ended = sandbox.ended.then((end) => failureOf(end, sandbox.console()));
    const late = () => `nothing came from it within ${PROBE_DEADLINE_MS / 1000} s`;
    return await withDeadline(Promise.race([entered, ended]), PROBE_DEADLINE_MS, late);
  } catch (error) {
    return String(error);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function failureOf(end: SandboxEnd, console: string): string {
  const nothing = { oomKills: 0, isExhausted: false, refusedTasks: 0, memoryMib: 0 };
  if (lossOf({ end, console, ...nothing }).cause === "killed") return KILLED;
  return `it ${describeEnd(end)}: ${lastLine(console)}`;
}

/** Answers the greeting of `protocol/greeting.ts`; the bundle with the real one is not needed for a probe. */
const DIAL_AND_ANSWER = `
const socket = require("node:net").connect("/channel/probe.sock");
socket.on("data", (line) => socket.write(String(line).replace("HELLO", "OK")));
`;

/** What a sandbox is started in, and for an ordinary user the subordinate ids and the means to map them. */
async function missingNamespaces(uid: number): Promise<Probe | undefined> {
  const namespaces = ["--mount", "--pid", "--fork", "true"];
  if (uid === 0) {
    const { code, stderr } = await runCommand(["unshare", ...namespaces]);
    if (code === 0) return undefined;
    return unable(`root cannot make namespaces: ${lastLine(stderr)}`, "run Hearth outside a container");
  }
  if ((await existing(["/usr/bin/newuidmap"])).length === 0) {
    return unable("an ordinary user needs newuidmap", "sudo apt-get install uidmap");
  }
  const { code, stderr } = await runCommand(["unshare", "--map-root-user", "--map-auto", ...namespaces]);
  return code === 0 ? undefined : unable(`cannot make a user namespace: ${lastLine(stderr)}`, await userNamespaceFix());
}

/**
 * What keeps a set-user-ID program from being one: then newuidmap can map nothing, and no ids help. Else the distribution's switch
 * where it has one and it is off; else the ids are what is missing.
 */
async function userNamespaceFix(): Promise<string> {
  if (/^NoNewPrivs:\s*1$/mu.test(await readFile("/proc/self/status", "utf8"))) {
    return "start Hearth without NoNewPrivileges; for the service: packaging/hearth-gvisor.conf";
  }
  const switches = { apparmor_restrict_unprivileged_userns: "0", unprivileged_userns_clone: "1" };
  for (const [name, wanted] of Object.entries(switches)) {
    const value = await readFile(`/proc/sys/kernel/${name}`, "utf8").catch(() => wanted);
    if (value.trim() !== wanted) return `sudo sysctl --write kernel.${name}=${wanted}`;
  }
  return `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${ownUserName()}`;
}

function memoryFile(dataDir: string, uid: number): string {
  return join(dataDir, `gvisor-probe-${uid}`);
}

async function isRemembered(runsc: Runsc, dataDir: string): Promise<boolean> {
  const remembered = await readFile(memoryFile(dataDir, runsc.uid), "utf8").catch(() => undefined);
  return remembered === (await identity(runsc.binary));
}

async function remember(runsc: Runsc, dataDir: string): Promise<void> {
  await writeFile(memoryFile(dataDir, runsc.uid), await identity(runsc.binary));
}

/** The binary is 100 MB: its inode, size and times say as much as a hash of it, and cost nothing. */
async function identity(binary: string): Promise<string> {
  const { ino, size, mtimeMs, ctimeMs } = await stat(binary);
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return [bootId, process.execPath, binary, ino, size, mtimeMs, ctimeMs].join(" ");
}

async function existing(paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => [path],
        () => [],
      ),
    ),
  );
  return found.flat();
}

function unable(reason: string, fix: string): Probe {
  return { ok: false, reason, fix };
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
