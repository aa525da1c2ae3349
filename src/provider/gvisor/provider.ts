/**
 * Machines as gVisor sandboxes: a kernel of its own for each workflow, no KVM and no root needed. Lifecycle only: what a sandbox
 * is made of is in `bundle.ts`, how runsc is called in `runsc.ts`. The guest dials two unix sockets of the host, one on which the
 * host is the client (agent) and one on which it is the server (egress); it has no network device.
 */
import { GUEST_LAYOUT } from "../../image/guest-layout.ts";
import { listImages } from "../../image/image-store.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { obtainTemplate, pruneTemplates } from "../../template/template-store.ts";
import type { HeldTemplate, Obtained, Template } from "../../template/template-store.ts";
import type { Capabilities, Machine, MachineLoss, MachineSpec, Provider } from "../provider.ts";
import type { GuestDoors, GuestStreams } from "./guest-doors.ts";
import { prepare } from "./prepare.ts";
import type { GvisorSettings } from "./prepare.ts";
import { probeGvisor } from "./probe.ts";
import { restoreMachine, saveMachine } from "./saved-machine.ts";
import { startMachine } from "./start-machine.ts";
import type { MachineRequest, StartedMachine } from "./start-machine.ts";
import { TEMPLATE_ROOM_BYTES, fillTemplate, runscIdentity, templateParts } from "./template.ts";

const capabilities: Capabilities = { isolation: "sandbox", checkpoint: true, containers: false, egress: true };

/** For a few sizes of machines; each is 16 MB on the disk. */
const KEPT_TEMPLATES = 8;

export function gvisorProvider(settings: GvisorSettings): Provider {
  return {
    name: "gvisor",
    capabilities,
    probe: async () => probeGvisor(settings),
    provision: async (spec, signal) => provision(settings, spec, signal),
    restore: async (spec, directory, signal) => restore(settings, spec, directory, signal),
  };
}

async function provision(settings: GvisorSettings, spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
  signal.throwIfAborted();
  const request = { settings, spec, prepared: await prepare(settings, spec), signal };
  return machineOf(request, (await tryCopy(request)) ?? (await startMachine(request, undefined)));
}

async function restore(
  settings: GvisorSettings,
  spec: MachineSpec,
  directory: string,
  signal: AbortSignal,
): Promise<Machine> {
  signal.throwIfAborted();
  const request = { settings, spec, prepared: await prepare(settings, spec), signal };
  return machineOf(request, await restoreMachine(request, directory));
}

/**
 * Makes the template that machines of this kind are copied from, so that not even the first has to wait for it. Where there can
 * be none that is said, and machines are started from nothing. Throws the signal's reason.
 */
export async function prepareTemplate(settings: GvisorSettings, spec: MachineSpec, signal: AbortSignal): Promise<void> {
  const say = (why: string): void => settings.progress(`machine: no template: ${why}`);
  try {
    const template = await obtain({ settings, spec, prepared: await prepare(settings, spec), signal });
    if (template.kind === "held") await template[Symbol.asyncDispose]();
    else say(template.reason);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof EngineError)) throw error;
    say(error.message);
  }
}

/** Undefined, and said, where a machine has to be started from nothing: it takes longer and is the same machine. */
async function tryCopy(request: MachineRequest): Promise<StartedMachine | undefined> {
  const { settings, signal } = request;
  const say = (why: string): void => settings.progress(`machine: started, not copied from a template: ${why}`);
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
  const { settings, prepared, signal } = request;
  const template = await obtainTemplate({
    dataDir: settings.dataDir,
    parts: await templateParts(request),
    fill: (directory) => fillTemplate(request, directory),
    roomBytes: TEMPLATE_ROOM_BYTES,
    progress: settings.progress,
    signal,
  });
  if (template.kind === "held" && template.isNew) await pruneOld(settings.dataDir, prepared.runsc.binary, signal);
  return template;
}

/** A template that gives no machine is made anew the next time. */
async function copyOf(request: MachineRequest, template: HeldTemplate): Promise<StartedMachine> {
  await using held = template;
  try {
    return await startMachine(request, held.directory);
  } catch (error) {
    request.signal.throwIfAborted();
    await held.discard();
    throw error;
  }
}

/** Those of images and a runsc that are no more, and all but the few that were used last. */
async function pruneOld(dataDir: string, binary: string, signal: AbortSignal): Promise<void> {
  const images = new Set((await listImages(dataDir)).map(({ digest }) => digest));
  const runsc = await runscIdentity(binary);
  const isWanted = ({ parts }: Template): boolean => images.has(parts.image) && parts["runsc"] === runsc;
  await pruneTemplates(dataDir, { provider: "gvisor", isWanted, keep: KEPT_TEMPLATES, signal });
}

function machineOf(request: MachineRequest, started: StartedMachine): Machine {
  const { id } = request.spec;
  const { sandbox, directory, cgroup } = started;
  let streams: GuestStreams = started;
  // Those that were opened after a save; the first ones are the machine's own.
  let doors: GuestDoors | undefined;
  let disposal: Promise<void> | undefined;
  const dispose = async (): Promise<void> => {
    await doors?.[Symbol.asyncDispose]();
    await started[Symbol.asyncDispose]();
  };
  return {
    id,
    isolation: "sandbox (gVisor)",
    capabilities,
    layout: GUEST_LAYOUT,
    agent: started.agent,
    egress: started.egress,
    ...(cgroup === undefined ? {} : { oomKills: async () => (await cgroup.events()).oomKills }),
    async save(saveIn, signal) {
      const saved = await saveMachine({ ...request, signal }, { directory, sandbox, ...streams }, saveIn);
      await doors?.[Symbol.asyncDispose]();
      doors = saved.doors;
      streams = await doors.entered;
      return { ...streams, failure: saved.failure };
    },
    lost: new Promise<MachineLoss>((resolve) => {
      void started.lost.then((loss) => {
        if (disposal === undefined) resolve(loss);
      });
    }),
    [Symbol.asyncDispose]: async () => (disposal ??= dispose()),
  };
}
