/**
 * A template of a machine: booted, warmed, stopped and saved before any run. Its memory is a file that copies map and write
 * over privately, or part of the state that each of them reads (`machine-file.ts`); its scratch disk is copied with it, so that files the guest has open stay what they are. No stranger's code has run
 * in it. Source: docs/adr/0019.
 */
import { open, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EngineError } from "../../lib/engine-error.ts";
import { connectAgent } from "../../protocol/connect-agent.ts";
import { greetGuest } from "../../protocol/greeting.ts";
import type { Filled, TemplateParts } from "../../template/template-store.ts";
import { QmpRefusal } from "./qmp.ts";
import { TEMPLATE_FILES, memoryOfTemplate } from "./machine-file.ts";
import { machineParts } from "./machine-parts.ts";
import type { MemoryPlace } from "./memory-place.ts";
import { startQemu } from "./qemu-process.ts";
import type { QemuProcess } from "./qemu-process.ts";
import { makeScratchDisk } from "./scratch-disk.ts";
import { START_DEADLINE_MS, machinesDirectory, sameForAll, untilFixable, untilStarted } from "./start-machine.ts";
import type { MachineRequest } from "./start-machine.ts";
import { writeState } from "./state-stream.ts";
import type { StateOptions } from "./state-stream.ts";
import { unnamedFile } from "./unnamed-file.ts";

/** A warmed guest has 200 MB in memory and next to nothing on its disk. */
export const TEMPLATE_ROOM_BYTES = 2 ** 30;

/** The first of a step, of a checkout and of an action: read from the disk once for all copies. */
const WARM_UP = ["bash -e -c true", "git --version", "/opt/externals/node24/bin/node -e 0"];
/** For the agent to have put its session away. */
const SETTLE_MS = 300;
const SAVE_DEADLINE_MS = 60_000;

/** Where copies can share no file, the template has none either, and another key. */
export async function templateParts(request: MachineRequest): Promise<TemplateParts> {
  return { ...(await machineParts(request)), memory: memoryOf(request) };
}

function memoryOf({ prepared, confinement }: MachineRequest): MemoryPlace {
  return memoryOfTemplate(prepared.qemuVersion, confinement);
}

/** Fills a template's directory. Throws what booting throws; a guest that boots and cannot be saved is a value. */
export async function fillTemplate(request: MachineRequest, directory: string): Promise<Filled> {
  const { options, spec, prepared, confinement, signal } = request;
  await using files = new AsyncDisposableStack();
  const [memory, scratch, initrd] = [
    memoryOf(request) === "outside" ? files.use(await makeMemory(directory, spec.memoryMib)) : undefined,
    files.use(await makeScratch(join(directory, TEMPLATE_FILES.scratch), signal)),
    files.use(await unnamedFile(machinesDirectory(options), (path) => writeFile(path, prepared.archives))),
  ];
  for (const file of [memory, initrd]) if (file !== undefined) await confinement.give(file);
  await using qemu = startQemu({
    ...(await sameForAll(request, scratch, files)),
    initrd,
    memory: memory && { file: memory, access: "shared" },
    start: "boot",
  });
  const reason = (await boot(request, qemu)) ?? (await save(request, qemu, directory));
  if (reason !== undefined) return { kind: "impossible", reason };
  await qemu[Symbol.asyncDispose]();
  for (const file of [memory, scratch]) await file?.chown(process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  return { kind: "made" };
}

async function makeMemory(directory: string, memoryMib: number): Promise<FileHandle> {
  const file = await open(join(directory, TEMPLATE_FILES.memory), "wx+", 0o600);
  await file.truncate(memoryMib * 2 ** 20);
  return file;
}

async function makeScratch(path: string, signal: AbortSignal): Promise<FileHandle | undefined> {
  return (await makeScratchDisk(path, signal)) ? await open(path, "r+") : undefined;
}

/** The guest's own reason why its copies could not be set right, if there is one. */
async function boot(request: MachineRequest, qemu: QemuProcess): Promise<string | undefined> {
  const deadlineMs = START_DEADLINE_MS[request.options.accelerator];
  const greeted = greetGuest(qemu.port("agent"), { deadlineMs });
  const [, reason] = await untilStarted(request, qemu, Promise.all([greeted, untilFixable(qemu, deadlineMs)]));
  return reason;
}

/**
 * Not every image has all of the programs. The agent is not asked for its boot's id: the kernel makes that up when it is first
 * read, and every copy is to have its own.
 */
async function warmUp(qemu: QemuProcess): Promise<void> {
  await using agent = connectAgent(qemu.port("agent"));
  const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/home/runner" };
  for (const [index, command] of WARM_UP.entries()) {
    const request = { id: `warm-up-${index}`, argv: command.split(" "), env, cwd: "/", user: "runner" as const };
    await agent.exec({ ...request, write: [], read: [] }, () => undefined);
  }
}

/** QEMU's own reason why it cannot, if it has one. Throws MACHINE_START_FAILED for what may be otherwise the next time. */
async function save(request: MachineRequest, qemu: QemuProcess, directory: string): Promise<string | undefined> {
  const { options, signal, confinement } = request;
  const late = AbortSignal.timeout(SAVE_DEADLINE_MS);
  try {
    await warmUp(qemu);
    await delay(SETTLE_MS);
    return await migrate(qemu, {
      directory: machinesDirectory(options),
      confinement,
      memory: memoryOf(request),
      path: join(directory, TEMPLATE_FILES.state),
      signal: AbortSignal.any([signal, late]),
    });
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError("MACHINE_START_FAILED", `Cannot save a template: ${why}`, { cause });
  }
}

/** Everything but a memory that is in its file already. It is saved running, so that no copy has to be told to run. */
async function migrate(qemu: QemuProcess, state: StateOptions): Promise<string | undefined> {
  try {
    await writeState(qemu, state);
    return undefined;
  } catch (error) {
    if (error instanceof QmpRefusal) return `QEMU cannot save it: ${error.message}`;
    throw error;
  }
}
