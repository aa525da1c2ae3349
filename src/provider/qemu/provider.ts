/**
 * Machines by QEMU: under KVM where a guest really boots under it, emulated elsewhere. This file is a machine's life: its files,
 * its process, the greeting, the end. What it starts from is the image's (`image/`), how QEMU is told `qemu-arguments.ts`'s.
 *
 * A machine has no network card. Two serial ports lead out of it: `agent`, and `egress`, on which the guest asks and the host
 * decides.
 */
import { GUEST_LAYOUT } from "../../image/guest-layout.ts";
import { listImages } from "../../image/image-store.ts";
import { findKernel } from "../../image/kernel.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { requireIdentity } from "../../template/saved-identity.ts";
import { obtainTemplate, pruneTemplates } from "../../template/template-store.ts";
import type { HeldTemplate, Obtained, Template } from "../../template/template-store.ts";
import type { Capabilities, Machine, MachineLoss, MachineSpec, Provider } from "../provider.ts";
import { saveMachine } from "./checkpoint.ts";
import { confine } from "./confinement.ts";
import { createInputDisk } from "./input-disk.ts";
import { untilLost } from "./loss.ts";
import { machineParts } from "./machine-parts.ts";
import { prepare } from "./prepare.ts";
import type { QemuProviderOptions } from "./prepare.ts";
import { ISOLATION, probeQemu } from "./probe.ts";
import { bootMachine, copyMachine, machinesDirectory, restoreMachine } from "./start-machine.ts";
import type { MachineRequest, StartedMachine } from "./start-machine.ts";
import { TEMPLATE_ROOM_BYTES, fillTemplate, templateParts } from "./template.ts";

const CAPABILITIES: Capabilities = { isolation: "vm", checkpoint: true, containers: false, egress: true };

/** For a few sizes of machines; each is 200 MB on the disk. */
const KEPT_TEMPLATES = 6;

export function createQemuProvider(options: QemuProviderOptions): Provider {
  return {
    name: "qemu",
    capabilities: CAPABILITIES,
    probe: () => probeQemu(options),
    provision: (spec, signal) => provision(options, spec, signal),
    restore: (spec, directory, signal) => restore(options, spec, directory, signal),
  };
}

async function provision(options: QemuProviderOptions, spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
  await using undo = new AsyncDisposableStack();
  const request = await prepareRequest(options, spec, signal, undo);
  const started = undo.use((await tryCopy(request)) ?? (await bootMachine(request)));
  return machineOf(request, started, undo.move());
}

async function restore(
  options: QemuProviderOptions,
  spec: MachineSpec,
  directory: string,
  signal: AbortSignal,
): Promise<Machine> {
  await using undo = new AsyncDisposableStack();
  const request = await prepareRequest(options, spec, signal, undo);
  await requireIdentity(directory, await machineParts(request));
  const started = undo.use(await restoreMachine(request, directory));
  return machineOf(request, started, undo.move());
}

/** Makes the template that machines of this kind are copied from, so that not even the first has to wait for it. */
export async function prepareTemplate(
  options: QemuProviderOptions,
  spec: MachineSpec,
  signal: AbortSignal,
): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const template = await obtain(await prepareRequest(options, spec, signal, undo));
  if (template.kind === "held") await template[Symbol.asyncDispose]();
  else options.progress(`machine: no template: ${template.reason}`);
}

async function prepareRequest(
  options: QemuProviderOptions,
  spec: MachineSpec,
  signal: AbortSignal,
  undo: AsyncDisposableStack,
): Promise<MachineRequest> {
  signal.throwIfAborted();
  const prepared = await prepare(options, spec, signal);
  const input = undo.use(await createInputDisk(machinesDirectory(options)));
  return { options, spec, prepared, confinement: undo.use(await confine(options, spec, signal)), input, signal };
}

/** Undefined, and said, where a machine has to be booted: it takes longer and is the same machine. */
async function tryCopy(request: MachineRequest): Promise<StartedMachine | undefined> {
  const { options, signal } = request;
  const say = (why: string): void => options.progress(`machine: booted, not copied from a template: ${why}`);
  try {
    const template = await obtain(request);
    if (template.kind === "held") return await copyOf(request, template);
    say(template.reason);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof EngineError)) throw error;
    say(error.message);
  }
  return undefined;
}

async function obtain(request: MachineRequest): Promise<Obtained> {
  const { options, signal } = request;
  const template = await obtainTemplate({
    dataDir: options.dataDir,
    parts: await templateParts(request),
    fill: (directory) => fillTemplate(request, directory),
    roomBytes: TEMPLATE_ROOM_BYTES,
    progress: options.progress,
    signal,
  });
  if (template.kind === "held" && template.isNew) await pruneOld(options.dataDir, signal);
  return template;
}

/** A template that gives no machine is made anew the next time. */
async function copyOf(request: MachineRequest, template: HeldTemplate): Promise<StartedMachine> {
  await using held = template;
  try {
    return await copyMachine(request, held.directory);
  } catch (error) {
    request.signal.throwIfAborted();
    await held.discard();
    throw error;
  }
}

/** Those of images and kernels that are no more, and all but the few that were used last. */
async function pruneOld(dataDir: string, signal: AbortSignal): Promise<void> {
  const images = new Set((await listImages(dataDir)).map(({ digest }) => digest));
  const kernel = (await findKernel(dataDir))?.vmlinux;
  const isWanted = ({ parts }: Template): boolean => images.has(parts.image) && parts["kernel"] === kernel;
  await pruneTemplates(dataDir, { provider: "qemu", isWanted, keep: KEPT_TEMPLATES, signal });
}

function machineOf(request: MachineRequest, started: StartedMachine, resources: AsyncDisposableStack): Machine {
  const { options, spec, confinement, input } = request;
  let disposal: Promise<void> | undefined;
  const lost = Promise.withResolvers<MachineLoss>();
  void untilLost(started.qemu, confinement).then((loss) => {
    if (disposal === undefined) lost.resolve(loss);
  });
  return {
    id: spec.id,
    isolation: ISOLATION[options.accelerator],
    capabilities: CAPABILITIES,
    layout: GUEST_LAYOUT,
    ...started.streams,
    bulk: input,
    lost: lost.promise,
    save: async (directory, signal) => {
      const identity = await machineParts(request);
      const { streams, failure } = await saveMachine(request, started, { identity, directory, signal });
      return { ...streams, failure };
    },
    [Symbol.asyncDispose]: () => (disposal ??= resources.disposeAsync()),
  };
}
