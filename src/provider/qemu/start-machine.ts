/**
 * From nothing to a guest that answers, in the two ways there are: booted, or as a copy of a template. In either case nothing is
 * left when it fails.
 */
import { open, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { untilAborted } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { fixUpCopy } from "../../protocol/fix-up.ts";
import { greetGuest } from "../../protocol/greeting.ts";
import type { MachineSpec } from "../provider.ts";
import type { Confinement } from "./confinement.ts";
import { untilLost } from "./loss.ts";
import type { InputDisk } from "./input-disk.ts";
import { TEMPLATE_FILES, memoryForCopy, openShared } from "./machine-file.ts";
import type { Prepared, QemuProviderOptions } from "./prepare.ts";
import type { Accelerator } from "./qemu-arguments.ts";
import { startQemu } from "./qemu-process.ts";
import type { QemuOptions, QemuProcess } from "./qemu-process.ts";
import { copyScratchDisk, createScratchDisk } from "./scratch-disk.ts";
import { unnamedFile } from "./unnamed-file.ts";

/** Emulation takes 5 s on an idle host; hosts that emulate are seldom idle. */
export const START_DEADLINE_MS: { readonly [accelerator in Accelerator]: number } = { kvm: 30_000, tcg: 180_000 };

/** What is asked for, and what there is for it. */
export interface MachineRequest {
  readonly options: QemuProviderOptions;
  readonly spec: MachineSpec;
  readonly prepared: Prepared;
  readonly confinement: Confinement;
  /** Nothing has been written to it. */
  readonly input: InputDisk;
  readonly signal: AbortSignal;
}

/** Throws MACHINE_START_FAILED, or the signal's reason. */
export async function bootMachine(request: MachineRequest): Promise<QemuProcess> {
  const { options, prepared, confinement, signal } = request;
  const directory = machinesDirectory(options);
  await using files = new AsyncDisposableStack();
  const initrd = files.use(await unnamedFile(directory, (path) => writeFile(path, prepared.archives)));
  await confinement.give(initrd);
  const scratch = files.use(await createScratchDisk(directory, signal));
  const ports = ["agent", "egress"];
  const same = await sameForAll(request, scratch, files);
  const qemu = startQemu({ ...same, initrd, memory: undefined, start: "boot", ports });
  const deadlineMs = START_DEADLINE_MS[options.accelerator];
  return await untilStarted(request, qemu, greetBoth(qemu, deadlineMs));
}

/** As `bootMachine`. The directory is a template's, and may be gone when this has resolved. */
export async function copyMachine(request: MachineRequest, template: string): Promise<QemuProcess> {
  const { options, prepared, confinement, signal } = request;
  const directory = machinesDirectory(options);
  await using files = new AsyncDisposableStack();
  const place = { directory, qemuVersion: prepared.qemuVersion };
  const memory = await memoryForCopy(template, place, confinement, signal);
  files.use(memory.file);
  const state = files.use(await open(join(template, TEMPLATE_FILES.state), "r"));
  const scratch = files.use(await copyScratchDisk(join(template, TEMPLATE_FILES.scratch), directory, signal));
  const ports = ["agent", "egress", "fixup"];
  const same = await sameForAll(request, scratch, files);
  const qemu = startQemu({ ...same, initrd: undefined, memory, start: { state }, ports });
  const deadlineMs = START_DEADLINE_MS[options.accelerator];
  const ready = async (): Promise<void> => {
    await fixUpCopy(qemu.port("fixup"), { deadlineMs });
    // Nobody has more to say on it, and the guest is not to.
    qemu.port("fixup").destroy();
    await greetBoth(qemu, deadlineMs);
  };
  return await untilStarted(request, qemu, ready());
}

/** A template's machine and its copies agree in these, or the state of the one would not fit the other. */
export async function sameForAll(
  { options, spec, prepared, confinement, input }: MachineRequest,
  scratch: FileHandle | undefined,
  files: AsyncDisposableStack,
): Promise<Pick<QemuOptions, "name" | "accelerator" | "cpus" | "memoryMib" | "kernel" | "disks" | "prefix">> {
  const { kernel, disks, tools } = prepared;
  const shared = async (path: string): Promise<FileHandle> => files.use(await openShared(path, confinement));
  if (scratch !== undefined) await confinement.give(scratch);
  return {
    name: `hearth-${spec.id}`,
    prefix: confinement.prefix,
    accelerator: options.accelerator,
    cpus: spec.cpus,
    memoryMib: spec.memoryMib,
    kernel: await shared(kernel.vmlinux),
    disks: [
      { id: "root", file: await shared(disks.root), writable: false },
      { id: "externals", file: await shared(disks.externals), writable: false },
      ...(tools === undefined ? [] : [{ id: "tools", file: await shared(tools), writable: false }]),
      ...(scratch === undefined ? [] : [{ id: "scratch", file: scratch, writable: true }]),
      { id: "input", file: files.use(await input.openForReading()), writable: false },
    ],
  };
}

/** On the disk that holds the images, as what a machine writes may be much. */
export function machinesDirectory({ dataDir }: QemuProviderOptions): string {
  return join(dataDir, "machines");
}

/** The machine once `ready` has resolved; it is gone when this throws. */
export async function untilStarted(
  { spec, confinement, signal }: MachineRequest,
  qemu: QemuProcess,
  ready: Promise<void>,
): Promise<QemuProcess> {
  try {
    await untilAborted(Promise.race([ready, throwWhenLost(qemu, confinement)]), signal);
    return qemu;
  } catch (error) {
    ready.catch(() => undefined);
    await qemu[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw await startFailure(spec, qemu, confinement, error);
  }
}

/** Both ports: a guest that answers on one and not on the other is not whole. */
async function greetBoth(qemu: QemuProcess, deadlineMs: number): Promise<void> {
  await Promise.all(["agent", "egress"].map((name) => greetGuest(qemu.port(name), { deadlineMs })));
}

async function throwWhenLost(qemu: QemuProcess, confinement: Confinement): Promise<never> {
  throw new Error((await untilLost(qemu, confinement)).reason);
}

async function startFailure(
  spec: MachineSpec,
  qemu: QemuProcess,
  confinement: Confinement,
  cause: unknown,
): Promise<EngineError> {
  // The ports close a moment before QEMU has ended, but how it ended says more.
  const portClosed = cause instanceof EngineError && cause.code === "MACHINE_LOST";
  const reason = portClosed || !(cause instanceof Error) ? (await untilLost(qemu, confinement)).reason : cause.message;
  const console = qemu.console.text();
  const message = `Cannot start machine ${spec.id}: ${reason}${console === "" ? "" : `\n${console}`}`;
  return new EngineError("MACHINE_START_FAILED", message, { cause });
}
