/**
 * Files that QEMU inherits. It opens them anew by `/proc/self/fd`, which takes no right to the directories they are in, but the
 * right to the file itself.
 */
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { EngineError } from "../../lib/engine-error.ts";
import { runCommand } from "../../lib/run-command.ts";
import type { Confinement } from "./confinement.ts";
import type { MemoryPlace } from "./memory-place.ts";
import { unnamedFile } from "./unnamed-file.ts";

/** Files of a template. The scratch disk is missing where machines have none, the memory where the state holds it. */
export const TEMPLATE_FILES = { memory: "memory", state: "state", scratch: "scratch" } as const;
/** Files of a saved machine; the state holds the memory, and the disk is an archive that has its holes left out. The identity is written last. */
export const SAVED_FILES = { identity: "identity.json", state: "state", scratch: "scratch.tar" } as const;

const READ_BY_ALL = 0o444;

/** For reading, by whichever account QEMU has. What keeps others out are the directories. */
export async function openShared(path: string, { account }: Pick<Confinement, "account">): Promise<FileHandle> {
  const file = await open(path, "r");
  if (account === undefined) return file;
  const { mode } = await file.stat();
  if ((mode & READ_BY_ALL) !== READ_BY_ALL) await file.chmod((mode & 0o7777) | READ_BY_ALL);
  return file;
}

/** The same bytes and the same holes, in a file of the machine's own; the file system shares the blocks where it can. */
export async function copyFile(source: string, directory: string, signal: AbortSignal): Promise<FileHandle> {
  return await unnamedFile(directory, async (path) => {
    const argv = ["cp", "--no-preserve=mode", "--sparse=always", "--reflink=auto", source, path];
    const result = await runCommand(argv, { signal });
    if (result.code === 0) return;
    throw new EngineError("MACHINE_START_FAILED", `Cannot copy ${source}: ${result.stderr.trim()}`, {
      hint: `see that the disk of ${directory} has room`,
    });
  });
}

/**
 * Where a template has its memory. A file is mapped by all of its copies, which write over it privately; but QEMU before 8.2 opens it
 * for writing all the same, and where QEMU is another user, what it wrote would be in every machine after it. There each copy reads
 * the memory with the state, which takes it as long as a file of its own would.
 */
export function memoryOfTemplate(qemuVersion: string, { account }: Pick<Confinement, "account">): MemoryPlace {
  return account === undefined || opensReadOnly(qemuVersion) ? "outside" : "inside";
}

export interface CopyMemory {
  readonly file: FileHandle;
  /** `readonly`: QEMU cannot write to the file, whatever becomes of it. */
  readonly access: "private" | "readonly";
}

/** A template's memory for one of its copies; undefined where the state holds it. */
export async function memoryForCopy(
  template: string,
  qemuVersion: string,
  confinement: Confinement,
): Promise<CopyMemory | undefined> {
  if (memoryOfTemplate(qemuVersion, confinement) === "inside") return undefined;
  const file = await openShared(join(template, TEMPLATE_FILES.memory), confinement);
  return { file, access: opensReadOnly(qemuVersion) ? "readonly" : "private" };
}

/** `rom=off` of memory-backend-file came with QEMU 8.2: before it, memory from a read-only file was read-only memory. */
function opensReadOnly(qemuVersion: string): boolean {
  const [major = 0, minor = 0] = qemuVersion.split(".").map(Number);
  return major > 8 || (major === 8 && minor >= 2);
}
