/**
 * Machines by QEMU: under KVM where a guest really boots under it, emulated elsewhere. This file is a machine's life: its files,
 * its process, the greeting, the end. What it starts from is the image's (`image/`), how QEMU is told `qemu-arguments.ts`'s.
 *
 * A machine has no network card. Two serial ports lead out of it: `agent`, and `egress`, on which the guest asks and the host
 * decides.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { prepareToolDisk } from "../../image/tool-cache.ts";
import { GUEST_LAYOUT } from "../../image/guest-layout.ts";
import { requireImage } from "../../image/image-store.ts";
import { baseInitrd, machineInitrd } from "../../image/initrd.ts";
import { prepareKernel } from "../../image/kernel.ts";
import type { Kernel } from "../../image/kernel.ts";
import { prepareDisks } from "../../image/squashfs.ts";
import type { ImageDisks } from "../../image/squashfs.ts";
import { untilAborted } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { greetGuest } from "../../protocol/greeting.ts";
import type { Capabilities, Machine, MachineLoss, MachineSpec, Provider } from "../provider.ts";
import { ISOLATION, probeQemu, requireQemu } from "./probe.ts";
import type { QemuHost } from "./probe.ts";
import type { Accelerator } from "./qemu-arguments.ts";
import { startQemu } from "./qemu-process.ts";
import type { QemuProcess } from "./qemu-process.ts";
import { createScratchDisk } from "./scratch-disk.ts";
import { unnamedFile } from "./unnamed-file.ts";

export interface QemuProviderOptions extends QemuHost {
  /** Path of the guest agent: one ES module. */
  readonly agentBundle: string;
  /** Told what takes long: a download, a disk being packed. */
  readonly progress: (line: string) => void;
}

const CAPABILITIES: Capabilities = { isolation: "vm", checkpoint: false, containers: false, egress: true };

/** Emulation takes 5 s on an idle host; hosts that emulate are seldom idle. */
const START_DEADLINE_MS: { readonly [accelerator in Accelerator]: number } = { kvm: 30_000, tcg: 180_000 };

export function createQemuProvider(options: QemuProviderOptions): Provider {
  return {
    name: "qemu",
    capabilities: CAPABILITIES,
    probe: () => probeQemu(options),
    provision: (spec, signal) => provision(options, spec, signal),
  };
}

async function provision(options: QemuProviderOptions, spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
  signal.throwIfAborted();
  const prepared = await prepare(options, spec.image, signal);
  const qemu = await start(options, spec, prepared, signal);
  const deadlineMs = START_DEADLINE_MS[options.accelerator];
  try {
    await untilAborted(Promise.race([greetAgent(qemu, deadlineMs), throwWhenLost(qemu)]), signal);
  } catch (error) {
    await qemu[Symbol.asyncDispose]();
    signal.throwIfAborted();
    throw await startFailure(spec, qemu, error);
  }
  return machineOf(spec, options.accelerator, qemu);
}

interface Prepared {
  readonly kernel: Kernel;
  readonly disks: ImageDisks;
  readonly tools: string | undefined;
}

async function prepare(options: QemuProviderOptions, name: string | undefined, signal: AbortSignal): Promise<Prepared> {
  const { dataDir, progress } = options;
  const image = await requireImage(dataDir, name);
  const kernel = await prepareKernel({ dataDir, progress, signal });
  await requireQemu(options, kernel);
  const disks = await prepareDisks(image, { progress, signal });
  return { kernel, disks, tools: await prepareToolDisk(dataDir, { progress, signal }) };
}

async function start(
  { dataDir, accelerator, agentBundle }: QemuProviderOptions,
  spec: MachineSpec,
  { kernel, disks, tools }: Prepared,
  signal: AbortSignal,
): Promise<QemuProcess> {
  const agent = await readFile(agentBundle);
  const { certificateAuthorities } = spec;
  const { work, temp, actions } = GUEST_LAYOUT;
  const directories = [work, temp, actions];
  const archives = [await baseInitrd(kernel), machineInitrd({ agent, certificateAuthorities, directories })];
  // On the disk that holds the images, as what a machine writes may be much.
  const directory = join(dataDir, "machines");
  await using initrd = await unnamedFile(directory, (path) => writeFile(path, archives));
  await using scratch = await createScratchDisk(directory, signal);
  return startQemu({
    name: `hearth-${spec.id}`,
    accelerator,
    cpus: spec.cpus,
    memoryMib: spec.memoryMib,
    kernel: kernel.vmlinux,
    initrd,
    disks: [
      { id: "root", file: disks.root },
      { id: "externals", file: disks.externals },
      ...(tools === undefined ? [] : [{ id: "tools", file: tools }]),
      ...(scratch === undefined ? [] : [{ id: "scratch", file: scratch }]),
    ],
    ports: ["agent", "egress"],
  });
}

/** Both ports: a guest that answers on one and not on the other is not whole. */
async function greetAgent(qemu: QemuProcess, deadlineMs: number): Promise<void> {
  await Promise.all(["agent", "egress"].map((name) => greetGuest(qemu.port(name), { deadlineMs })));
}

async function throwWhenLost(qemu: QemuProcess): Promise<never> {
  throw new Error(await untilLost(qemu));
}

const PANIC = /Kernel panic - not syncing: ([^\r\n]*)[\r\n]/;

/** Resolves with the reason when the guest has panicked or QEMU has ended, for whatever cause. */
async function untilLost(qemu: QemuProcess): Promise<string> {
  const panicked = qemu.console.said(PANIC).then((words) => {
    const killed = /Out of memory: Killed process \d+ \(([^)]*)\)/.exec(qemu.console.text())?.[1];
    return `the guest's kernel panicked (${words})${killed === undefined ? "" : `: out of memory, ${killed} was killed`}`;
  });
  return await Promise.race([panicked, qemu.ended]);
}

async function startFailure(spec: MachineSpec, qemu: QemuProcess, cause: unknown): Promise<EngineError> {
  // The ports close a moment before QEMU has ended, but how it ended says more.
  const portClosed = cause instanceof EngineError && cause.code === "MACHINE_LOST";
  const reason = portClosed || !(cause instanceof Error) ? await untilLost(qemu) : cause.message;
  const console = qemu.console.text();
  const message = `Cannot start machine ${spec.id}: ${reason}${console === "" ? "" : `\n${console}`}`;
  return new EngineError("MACHINE_START_FAILED", message, { cause });
}

function machineOf(spec: MachineSpec, accelerator: Accelerator, qemu: QemuProcess): Machine {
  let disposal: Promise<void> | undefined;
  const lost = Promise.withResolvers<MachineLoss>();
  void untilLost(qemu).then((reason) => {
    if (disposal === undefined) lost.resolve({ cause: "ended", reason, console: qemu.console.text() });
  });
  return {
    id: spec.id,
    isolation: ISOLATION[accelerator],
    capabilities: CAPABILITIES,
    layout: GUEST_LAYOUT,
    agent: qemu.port("agent"),
    egress: qemu.port("egress"),
    lost: lost.promise,
    [Symbol.asyncDispose]: () => (disposal ??= qemu[Symbol.asyncDispose]()),
  };
}
