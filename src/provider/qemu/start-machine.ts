/**
 * From nothing to a guest that answers, in the three ways there are: booted, as a copy of a template, or restored from where another
 * was saved. In each case nothing is left when it fails.
 */
import { randomUUID } from "node:crypto";
import { open, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { looseObject, parse, string } from "zod/mini";
import { untilAborted } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { fixUpCopy, untilFixUpWaits } from "../../protocol/fix-up.ts";
import { MachineStartError } from "../provider.ts";
import type { MachineSpec } from "../provider.ts";
import type { Confinement } from "./confinement.ts";
import { GuestPort } from "./guest-port.ts";
import { untilLost } from "./loss.ts";
import type { InputDisk } from "./input-disk.ts";
import { SAVED_FILES, TEMPLATE_FILES, memoryForCopy, openShared } from "./machine-file.ts";
import type { Prepared, QemuProviderOptions } from "./prepare.ts";
import type { Accelerator } from "./qemu-arguments.ts";
import { startQemu } from "./qemu-process.ts";
import type { QemuOptions, QemuProcess } from "./qemu-process.ts";
import { copyScratchDisk, createScratchDisk, unpackScratchDisk } from "./scratch-disk.ts";
import { letEnter } from "./state-stream.ts";
import { unnamedFile } from "./unnamed-file.ts";

/** Emulation takes 5 s on an idle host; hosts that emulate are seldom idle. */
export const START_DEADLINE_MS: { readonly [accelerator in Accelerator]: number } = {
  kvm: 30_000,
  tcg: 180_000,
  hvf: 30_000,
};

/** When the agent has answered: it is by far the slower to start. */
const FIXABLE_DEADLINE_MS = 10_000;

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

/** A machine that runs, and what its life needs of it. Disposal ends it. */
export interface StartedMachine extends AsyncDisposable {
  readonly qemu: QemuProcess;
  /** Sessions of the agent's and of the egress port. */
  readonly streams: Streams;
  readonly ports: { readonly [name in keyof Streams]: GuestPort };
  /** What it writes to; undefined: its memory. */
  readonly scratch: FileHandle | undefined;
  /** Why a machine that was saved from it could not be set right, if that is so. It may turn out late. */
  unfixable: string | undefined;
}

export interface Streams {
  readonly agent: Duplex;
  readonly egress: Duplex;
}

const PORTS = ["agent", "egress", "fixup"];

/** Throws MACHINE_START_FAILED, or the signal's reason. */
export async function bootMachine(request: MachineRequest): Promise<StartedMachine> {
  const { options, prepared, confinement, signal } = request;
  const directory = machinesDirectory(options);
  await using files = new AsyncDisposableStack();
  await using undo = new AsyncDisposableStack();
  const initrd = files.use(await unnamedFile(directory, (path) => writeFile(path, prepared.archives)));
  await confinement.give(initrd);
  const scratch = undo.use(await createScratchDisk(directory, signal));
  const same = await sameForAll(request, scratch, files);
  const qemu = undo.use(startQemu({ ...same, initrd, memory: undefined, start: "boot" }));
  const deadlineMs = START_DEADLINE_MS[options.accelerator];
  const { ports, greeted } = greetBoth(qemu, { deadlineMs, again: false });
  const ready = Promise.all([greeted, greeted.then(() => savable(qemu))]);
  const [streams, unfixable] = await untilStarted(request, qemu, ready);
  return machineOf({ qemu, scratch, ports, streams, unfixable }, undo.move());
}

/** As `bootMachine`. The directory is a template's, and may be gone when this has resolved. */
export async function copyMachine(request: MachineRequest, template: string): Promise<StartedMachine> {
  const { options, prepared, confinement, signal } = request;
  const directory = machinesDirectory(options);
  await using files = new AsyncDisposableStack();
  await using undo = new AsyncDisposableStack();
  const memory = await memoryForCopy(template, prepared.qemuVersion, confinement);
  if (memory !== undefined) files.use(memory.file);
  const state = files.use(await open(join(template, TEMPLATE_FILES.state), "r"));
  const scratch = undo.use(await copyScratchDisk(join(template, TEMPLATE_FILES.scratch), directory, signal));
  const same = await sameForAll(request, scratch, files);
  const start = { state, memory: memory === undefined ? ("inside" as const) : ("outside" as const) };
  const qemu = undo.use(startQemu({ ...same, initrd: undefined, memory, start }));
  const deadlineMs = START_DEADLINE_MS[options.accelerator];
  const ready = async (): Promise<{ ports: StartedMachine["ports"]; streams: Streams }> => {
    await fixUpCopy(qemu.port("fixup"), { deadlineMs });
    const { ports, greeted } = greetBoth(qemu, { deadlineMs, again: false });
    return { ports, streams: await greeted };
  };
  const started = await untilStarted(request, qemu, ready());
  return machineOf({ qemu, scratch, ...started, unfixable: undefined }, undo.move());
}

/** As `bootMachine`, from what `saveMachine` saved, which may be gone when this has resolved. */
export async function restoreMachine(request: MachineRequest, saved: string): Promise<StartedMachine> {
  const { options, signal } = request;
  await using files = new AsyncDisposableStack();
  await using undo = new AsyncDisposableStack();
  const state = files.use(await open(join(saved, SAVED_FILES.state), "r"));
  const packed = join(saved, SAVED_FILES.scratch);
  const scratch = undo.use(await unpackScratchDisk(packed, machinesDirectory(options), signal));
  const same = await sameForAll(request, scratch, files);
  const start = { state, memory: "inside" as const };
  const qemu = undo.use(startQemu({ ...same, initrd: undefined, memory: undefined, start }));
  const deadlineMs = START_DEADLINE_MS[options.accelerator];
  const ready = async (): Promise<{ ports: StartedMachine["ports"]; streams: Streams }> => {
    await untilLoaded(qemu);
    // The line is there when the machine goes on, so that its own processes do not come before it.
    const fixed = fixUpCopy(qemu.port("fixup"), { deadlineMs, bootId: randomUUID() });
    await Promise.all([fixed, qemu.control("cont")]);
    const { ports, greeted } = greetBoth(qemu, { deadlineMs, again: true });
    return { ports, streams: await greeted };
  };
  const started = await untilStarted(request, qemu, ready());
  return machineOf({ qemu, scratch, ...started, unfixable: undefined }, undo.move());
}

function machineOf(
  machine: Omit<StartedMachine, typeof Symbol.asyncDispose>,
  resources: AsyncDisposableStack,
): StartedMachine {
  return { ...machine, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

const RunState = looseObject({ status: string() });
const POLL_MS = 5;

/** It was saved stopped, and stays so until it is told to go on. A state that cannot be loaded ends QEMU. */
async function untilLoaded(qemu: QemuProcess): Promise<void> {
  while (parse(RunState, await qemu.control("query-status")).status === "inmigrate") await delay(POLL_MS);
}

/** Undefined when what sets copies right waits in the guest; else the guest's own reason why it does not. */
export async function untilFixable(qemu: QemuProcess, deadlineMs: number): Promise<string | undefined> {
  const without = qemu.console.said(/hearth: (no template[^\r\n]*)[\r\n]/);
  const waits = untilFixUpWaits(qemu.port("fixup"), { deadlineMs }).then(() => undefined);
  return await Promise.race([waits, without]);
}

/** A template's machine and its copies agree in these, or the state of the one would not fit the other. */
export async function sameForAll(
  { options, spec, prepared, confinement, input }: MachineRequest,
  scratch: FileHandle | undefined,
  files: AsyncDisposableStack,
): Promise<Omit<QemuOptions, "initrd" | "memory" | "start">> {
  const { kernel, disks, tools } = prepared;
  const shared = async (path: string): Promise<FileHandle> => files.use(await openShared(path, confinement));
  if (scratch !== undefined) await confinement.give(scratch);
  const directory = machinesDirectory(options);
  await letEnter(directory, confinement);
  return {
    directory,
    ports: PORTS,
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

/** As `untilFixable`, of a machine that is of use all the same. */
async function savable(qemu: QemuProcess): Promise<string | undefined> {
  return await untilFixable(qemu, FIXABLE_DEADLINE_MS).catch((error: Error) => error.message);
}

/** What `ready` resolves with; the machine is gone when this throws. */
export async function untilStarted<T>(
  { spec, confinement, signal }: MachineRequest,
  qemu: QemuProcess,
  ready: Promise<T>,
): Promise<T> {
  try {
    return await untilAborted(Promise.race([ready, throwWhenLost(spec, qemu, confinement)]), signal);
  } catch (error) {
    ready.catch(() => undefined);
    await qemu[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw await startFailure(spec, qemu, confinement, error);
  }
}

/** Both ports: a guest that answers on one and not on the other is not whole. */
function greetBoth(
  qemu: QemuProcess,
  options: { deadlineMs: number; again: boolean },
): { ports: StartedMachine["ports"]; greeted: Promise<Streams> } {
  const ports = { agent: new GuestPort(qemu.port("agent")), egress: new GuestPort(qemu.port("egress")) };
  return { ports, greeted: greetPorts(ports, options) };
}

export async function greetPorts(
  { agent, egress }: StartedMachine["ports"],
  options: { deadlineMs: number; again: boolean },
): Promise<Streams> {
  const [toAgent, toEgress] = await Promise.all([agent.greet(options), egress.greet(options)]);
  return { agent: toAgent, egress: toEgress };
}

async function throwWhenLost({ id }: MachineSpec, qemu: QemuProcess, confinement: Confinement): Promise<never> {
  throw new MachineStartError(id, await untilLost(qemu, confinement));
}

async function startFailure(
  spec: MachineSpec,
  qemu: QemuProcess,
  confinement: Confinement,
  cause: unknown,
): Promise<EngineError> {
  if (cause instanceof MachineStartError) return cause;
  // The ports close a moment before QEMU has ended, but how it ended says more.
  const portClosed = cause instanceof EngineError && cause.code === "MACHINE_LOST";
  if (portClosed || !(cause instanceof Error)) {
    return new MachineStartError(spec.id, await untilLost(qemu, confinement), { cause });
  }
  const console = qemu.console.text();
  const message = `Cannot start machine ${spec.id}: ${cause.message}${console === "" ? "" : `\n${console}`}`;
  return new EngineError("MACHINE_START_FAILED", message, { cause });
}
