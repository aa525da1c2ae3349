/**
 * Registers a Firecracker that the person has downloaded, and its jailer: copied below `<dataDir>/bin`, shown to run, their digests
 * written down beside them. Nothing is downloaded: which release to trust is the person's choice.
 */
import { chmod, copyFile, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../lib/engine-error.ts";
import { lockFile } from "../lib/file-lock.ts";
import { runCommand } from "../lib/run-command.ts";
import { RELEASES, binaryPath, digestOf, registrationPath } from "../provider/firecracker/binary.ts";
import type { Registration } from "../provider/firecracker/binary.ts";

export interface FirecrackerSetup {
  readonly dataDir: string;
  readonly binary: string;
  /** Undefined: none; machines can then be made only where the operator has switched the jailer off. */
  readonly jailer: string | undefined;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

const PROGRAMS = {
  firecracker: { title: "Firecracker", version: /^Firecracker v(\d+\.\d+\.\d+\S*)/m },
  jailer: { title: "the jailer", version: /^[Jj]ailer v(\d+\.\d+\.\d+\S*)/m },
} as const;

type ProgramName = keyof typeof PROGRAMS;

/** What machines will run with. Safe to call again. Throws `EngineError` SETUP_FAILED, or the signal's reason; then nothing has changed. */
export async function setupFirecracker(setup: FirecrackerSetup): Promise<Registration> {
  const { dataDir, progress, signal } = setup;
  if (process.platform !== "linux") throw new EngineError("SETUP_FAILED", "Firecracker runs on Linux only");
  const directory = join(dataDir, "bin");
  await mkdir(directory, { recursive: true });
  const lock = await lockFile(join(directory, ".lock"), () => progress("waiting for another setup"), signal);
  try {
    const workshop = await mkdtemp(join(directory, ".firecracker-"));
    try {
      return await register(setup, workshop);
    } finally {
      await rm(workshop, { recursive: true, force: true });
    }
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

async function register(
  { dataDir, binary, jailer: jailerBinary, signal }: FirecrackerSetup,
  workshop: string,
): Promise<Registration> {
  const firecracker = await examine("firecracker", binary, workshop, signal);
  const jailer = jailerBinary === undefined ? undefined : await examine("jailer", jailerBinary, workshop, signal);
  if (jailer !== undefined && jailer.version !== firecracker.version) {
    const message = `Firecracker is ${firecracker.version} and the jailer ${jailer.version}: they must be of one release`;
    throw new EngineError("SETUP_FAILED", message, { hint: `Take both from ${RELEASES}` });
  }
  const registration: Registration = { format: 1, firecracker, ...(jailer === undefined ? {} : { jailer }) };
  await writeFile(join(workshop, "registration"), `${JSON.stringify(registration, null, 2)}\n`);
  // The registration goes first and comes last: in between, nothing is registered.
  await rm(registrationPath(dataDir), { force: true });
  await rename(join(workshop, "firecracker"), binaryPath(dataDir, "firecracker"));
  if (jailer === undefined) await rm(binaryPath(dataDir, "jailer"), { force: true });
  else await rename(join(workshop, "jailer"), binaryPath(dataDir, "jailer"));
  await rename(join(workshop, "registration"), registrationPath(dataDir));
  return registration;
}

async function examine(
  name: ProgramName,
  source: string,
  workshop: string,
  signal: AbortSignal,
): Promise<{ sha256: string; version: string }> {
  const { title, version: pattern } = PROGRAMS[name];
  const candidate = join(workshop, name);
  try {
    await copyFile(source, candidate);
  } catch (cause) {
    throw new EngineError("SETUP_FAILED", `Cannot read ${source}`, { cause });
  }
  await chmod(candidate, 0o755);
  const said = await runCommand([candidate, "--version"], { signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    // Not a program for this processor, or no program at all.
    return { code: null, stdout: "", stderr: error instanceof Error ? error.message : String(error) };
  });
  const version = pattern.exec(said.stdout)?.[1];
  const sha256 = await digestOf(candidate);
  if (said.code === 0 && version !== undefined && sha256 !== undefined) return { sha256, version };
  const why =
    said.stderr.trim().split("\n").slice(-2).join("; ") || `it answered ${JSON.stringify(said.stdout.slice(0, 80))}`;
  throw new EngineError("SETUP_FAILED", `${source} does not run as ${title}: ${why}`, {
    hint: `Take the static build for this processor from ${RELEASES}`,
  });
}
