/**
 * Machines by Firecracker: the smallest virtual machine there is, under KVM, in a jail with an account of its own. This file is a
 * machine's life: its directory, its process, the greeting, the end. What it starts from is the image's (`image/`), what Firecracker is
 * told `boot.ts`'s, how it is confined `jailer.ts`'s and `vm-process.ts`'s.
 *
 * A machine has no network card. Two ports of its vsock lead out of it: `agent`, and `egress`, on which the guest asks and the
 * host decides; the host opens both.
 */
import { access, constants, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { GUEST_LAYOUT } from "../../image/guest-layout.ts";
import { requireImage } from "../../image/image-store.ts";
import { baseInitrd, machineInitrd } from "../../image/initrd.ts";
import { prepareKernel } from "../../image/kernel.ts";
import { prepareDisks } from "../../image/squashfs.ts";
import { prepareToolDisk } from "../../image/tool-cache.ts";
import { VSOCK_PORTS } from "../../image/vsock-bridge.ts";
import { untilAborted, withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { MachineStartError } from "../provider.ts";
import type { Capabilities, Isolation, Machine, MachineLoss, MachineSpec, Provider } from "../provider.ts";
import type { Binaries } from "./binary.ts";
import { boot } from "./boot.ts";
import type { MachineLimits } from "./boot.ts";
import { limitsOf } from "./device-limits.ts";
import { untilLost } from "./loss.ts";
import { makeScratchDisk, shareFile } from "./machine-files.ts";
import { probeFirecracker, requireFirecracker } from "./probe.ts";
import type { FirecrackerHost } from "./probe.ts";
import { startVmProcess } from "./vm-process.ts";
import type { VmDirectory, VmProcess } from "./vm-process.ts";
import { dialAgent } from "./vsock.ts";

export interface FirecrackerProviderOptions extends FirecrackerHost {
  /** Path of the guest agent: one ES module. */
  readonly agentBundle: string;
  /** Told what takes long: a download, a disk being packed. */
  readonly progress: (line: string) => void;
  readonly limits: MachineLimits;
  /** Where cgroup v2 is mounted, if it is. */
  readonly cgroupMount: string;
  /** From start to an agent that answers. */
  readonly startDeadlineMs: number;
}

const CAPABILITIES: Capabilities = { isolation: "vm", checkpoint: false, containers: false, egress: true };
const VSOCK = "vsock.sock";
const END_DEADLINE_MS = 2_000;

export function createFirecrackerProvider(options: FirecrackerProviderOptions): Provider {
  return {
    name: "firecracker",
    capabilities: CAPABILITIES,
    probe: () => probeFirecracker(options),
    provision: (spec, signal) => provision(options, spec, signal),
  };
}

async function provision(
  options: FirecrackerProviderOptions,
  spec: MachineSpec,
  signal: AbortSignal,
): Promise<Machine> {
  signal.throwIfAborted();
  const { dataDir, progress } = options;
  const limits = limitsOf(options.limits, spec);
  const image = await requireImage(dataDir, spec.image);
  const kernel = await prepareKernel({ dataDir, progress, signal });
  const { binaries, isolation } = await requireFirecracker(options, kernel);
  const { root, externals } = await prepareDisks(image, { progress, signal });
  const tools = await prepareToolDisk(dataDir, { progress, signal });
  const disks: Disk[] = [
    { id: "root", file: "root.sqfs", writable: false },
    { id: "externals", file: "externals.sqfs", writable: false },
    ...(tools === undefined ? [] : [{ id: "tools", file: "tools.sqfs", writable: false }]),
  ];
  const fill = async (directory: VmDirectory): Promise<void> => {
    await shareFile(directory, kernel.vmlinux, "vmlinux");
    await shareFile(directory, root, "root.sqfs");
    await shareFile(directory, externals, "externals.sqfs");
    if (tools !== undefined) await shareFile(directory, tools, "tools.sqfs");
    await writeFile(join(directory.root, "initrd"), await initrdFor(options, spec, await baseInitrd(kernel)), {
      mode: 0o400,
    });
    await directory.give("initrd");
    if (await makeScratchDisk(directory, "scratch.ext4", signal)) {
      disks.push({ id: "scratch", file: "scratch.ext4", writable: true });
    }
  };
  const vm = await startVmProcess(await vmOptions(options, spec, binaries), fill, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    throw startFailure(spec, error);
  });
  try {
    const started = startGuest(vm, { ...options, limits }, spec, binaries, disks, signal);
    const lost = untilLost(vm).then((loss) => {
      throw new MachineStartError(spec.id, loss);
    });
    const [agent, egress] = await untilAborted(Promise.race([started, lost]), signal);
    return machineOf(spec, isolation, vm, agent, egress);
  } catch (error) {
    // The streams close a moment before Firecracker has ended, but how it ended says more.
    const isOver = error instanceof EngineError && error.code === "MACHINE_LOST";
    const loss = isOver ? await withDeadline(untilLost(vm), END_DEADLINE_MS, () => undefined) : undefined;
    await vm[Symbol.asyncDispose]();
    signal.throwIfAborted();
    if (loss !== undefined) throw new MachineStartError(spec.id, loss, { cause: error });
    throw startFailure(spec, error, vm.console.text());
  }
}

interface Disk {
  readonly id: string;
  readonly file: string;
  readonly writable: boolean;
}

async function initrdFor(
  { agentBundle }: FirecrackerProviderOptions,
  { certificateAuthorities }: MachineSpec,
  base: Buffer,
): Promise<Buffer[]> {
  const { work, temp, actions } = GUEST_LAYOUT;
  const agent = await readFile(agentBundle);
  return [base, machineInitrd({ agent, certificateAuthorities, directories: [work, temp, actions] })];
}

async function vmOptions(
  { dataDir, cgroupMount }: FirecrackerProviderOptions,
  { id, cpus, memoryMib }: MachineSpec,
  { firecracker, jailer }: Binaries,
) {
  // Version 1 has no such file, and then no limits.
  const hasCgroups = await access(join(cgroupMount, "cgroup.controllers"), constants.R_OK).then(
    () => true,
    () => false,
  );
  const cgroup = hasCgroups ? { mount: cgroupMount, limits: { cpus, memoryMib } } : undefined;
  return { dataDir, id, firecracker, jailer, cgroup };
}

/** Both ports: a guest that answers on one and not on the other is not whole. */
async function startGuest(
  vm: VmProcess,
  { limits, startDeadlineMs }: Pick<FirecrackerProviderOptions, "limits" | "startDeadlineMs">,
  { cpus, memoryMib }: MachineSpec,
  { version }: Binaries,
  disks: readonly Disk[],
  signal: AbortSignal,
): Promise<[Duplex, Duplex]> {
  const own = { kernel: "vmlinux", initrd: "initrd", disks, vsock: VSOCK };
  await boot(vm.client, { version, cpus, memoryMib, limits, ...own });
  const over = new AbortController();
  void vm.ended.then(() => over.abort(new EngineError("MACHINE_LOST", "Firecracker has ended")));
  const waiting = { deadlineMs: startDeadlineMs, signal: AbortSignal.any([signal, over.signal]) };
  const dial = (port: number) => dialAgent(vm.socketPath(VSOCK), port, waiting);
  return Promise.all([dial(VSOCK_PORTS.agent), dial(VSOCK_PORTS.egress)]);
}

function startFailure({ id }: MachineSpec, cause: unknown, console = ""): EngineError {
  if (cause instanceof MachineStartError) return cause;
  if (cause instanceof EngineError && cause.code !== "MACHINE_LOST" && cause.code !== "GUEST_PROTOCOL") {
    if (cause.code !== "MACHINE_START_FAILED") return cause;
  } else if (!(cause instanceof Error)) {
    throw cause;
  }
  const message = `Cannot start machine ${id}: ${cause.message}${console === "" ? "" : `\n${console}`}`;
  return new EngineError("MACHINE_START_FAILED", message, { cause });
}

function machineOf(spec: MachineSpec, isolation: Isolation, vm: VmProcess, agent: Duplex, egress: Duplex): Machine {
  let disposal: Promise<void> | undefined;
  const lost = Promise.withResolvers<MachineLoss>();
  void untilLost(vm).then((loss) => {
    if (disposal === undefined) lost.resolve(loss);
  });
  const dispose = async (): Promise<void> => {
    agent.destroy();
    egress.destroy();
    await vm[Symbol.asyncDispose]();
  };
  return {
    id: spec.id,
    isolation,
    capabilities: CAPABILITIES,
    layout: GUEST_LAYOUT,
    agent,
    egress,
    lost: lost.promise,
    [Symbol.asyncDispose]: () => (disposal ??= dispose()),
  };
}
