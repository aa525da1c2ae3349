/**
 * Machines as gVisor sandboxes: a kernel of its own for each workflow, no KVM and no root needed. Lifecycle only: what a sandbox
 * is made of is in `bundle.ts`, how runsc is called in `runsc.ts`. The guest dials two unix sockets of the host, one on which the
 * host is the client (agent) and one on which it is the server (egress); it has no network device.
 */
import { GUEST_LAYOUT } from "../../image/guest-layout.ts";
import { requireImage } from "../../image/image-store.ts";
import { untilAborted, withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { createCgroup, sweepCgroups } from "../cgroup.ts";
import type { Cgroup } from "../cgroup.ts";
import type { Capabilities, Machine, MachineLoss, MachineSpec, Provider } from "../provider.ts";
import { openDoor } from "./guest-door.ts";
import { describeEnd, lossOf } from "./loss.ts";
import { createMachineDirectory } from "./machine-directory.ts";
import type { MachinePlaces } from "./machine-directory.ts";
import { probeGvisor } from "./probe.ts";
import type { GvisorHost } from "./probe.ts";
import { findRunsc, runArgv } from "./runsc.ts";
import type { Runsc } from "./runsc.ts";
import { startSandbox } from "./sandbox-process.ts";
import type { SandboxProcess } from "./sandbox-process.ts";
import { watchMemory } from "./watch-memory.ts";

export type GvisorSettings = GvisorHost & MachinePlaces;

const capabilities: Capabilities = { isolation: "sandbox", checkpoint: false, containers: false, egress: true };
/** A start takes 0.2 s; on a host that is busy with other machines it takes its turn. */
const START_DEADLINE_MS = 60_000;
/** What gVisor's kernel itself needs beside the guest's memory. */
const SENTRY_MIB = 256;
/** Each process or thread of the guest is one of the host's and takes 0.3 MiB of gVisor's kernel: a fork bomb ends before the memory does. */
const TASKS_PER_MIB = 2;

export function gvisorProvider(settings: GvisorSettings): Provider {
  return {
    name: "gvisor",
    capabilities,
    probe: async () => probeGvisor(settings),
    provision: async (spec, signal) => provision(settings, spec, signal),
  };
}

async function provision(settings: GvisorSettings, spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
  signal.throwIfAborted();
  const [runsc, image] = await Promise.all([requireRunsc(settings), requireImage(settings.dataDir, spec.image)]);
  // Undone in reverse order if anything below fails; on success the machine's disposal takes over.
  await using undo = new AsyncDisposableStack();
  const directory = undo.use(await createMachineDirectory(settings, spec, image));
  const agentDoor = undo.use(await openDoor(directory.agentSocket));
  const egressDoor = undo.use(await openDoor(directory.egressSocket));
  const cgroup = undo.use(await limit(settings, spec));
  const argv = [...(cgroup?.prefix ?? []), ...runArgv(runsc, directory.sandbox)];
  signal.throwIfAborted();
  const sandbox = undo.use(startSandbox(argv, directory.path));
  const memory = undo.use(watchMemory(cgroup, sandbox));
  const [agent, egress] = await answered(Promise.all([agentDoor.entered, egressDoor.entered]), spec, sandbox, signal);
  const owned = undo.move();
  let disposal: Promise<void> | undefined;
  return {
    id: spec.id,
    isolation: "sandbox (gVisor)",
    capabilities,
    layout: GUEST_LAYOUT,
    agent,
    egress,
    ...(cgroup === undefined ? {} : { oomKills: async () => (await cgroup.events()).oomKills }),
    lost: new Promise<MachineLoss>((resolve) => {
      void sandbox.ended.then(async (end) => {
        const { oomKills = 0, refusedTasks = 0 } = (await cgroup?.events()) ?? {};
        const isExhausted = memory.isExhausted();
        const { memoryMib } = spec;
        const loss = lossOf({ end, console: sandbox.console(), oomKills, isExhausted, refusedTasks, memoryMib });
        if (disposal === undefined) resolve(loss);
      });
    }),
    // Each part has a deadline of its own.
    [Symbol.asyncDispose]: async () => (disposal ??= owned.disposeAsync()),
  };
}

/** Undefined where this host cannot limit machines. */
async function limit({ cgroups }: GvisorSettings, { id, cpus, memoryMib }: MachineSpec): Promise<Cgroup | undefined> {
  if (cgroups === undefined) return undefined;
  await sweepCgroups(cgroups);
  return createCgroup(cgroups, id, { cpus, memoryMib: memoryMib + SENTRY_MIB, tasks: memoryMib * TASKS_PER_MIB });
}

async function answered<T>(
  entered: Promise<T>,
  spec: MachineSpec,
  sandbox: SandboxProcess,
  signal: AbortSignal,
): Promise<T> {
  const failed = (what: string, cause?: unknown) =>
    new EngineError(
      "MACHINE_START_FAILED",
      `Cannot start machine ${spec.id}: ${what}\n${sandbox.console()}`.trimEnd(),
      {
        cause,
        hint: "hearth doctor says whether this host can run gVisor",
      },
    );
  const ended = sandbox.ended.then((end) => {
    throw failed(`the sandbox ${describeEnd(end)}`);
  });
  const started = Promise.race([entered, ended]).catch((cause: unknown) => {
    throw cause instanceof EngineError && cause.code === "MACHINE_START_FAILED" ? cause : failed(String(cause), cause);
  });
  const late = () => {
    throw failed(`no answer from its agent within ${START_DEADLINE_MS / 1000} s`);
  };
  return untilAborted(withDeadline(started, START_DEADLINE_MS, late), signal);
}

async function requireRunsc(settings: GvisorSettings): Promise<Runsc> {
  const binary = await findRunsc(settings.dataDir, settings.searchPath);
  if (binary !== undefined) return { binary, uid: settings.uid };
  throw new EngineError("PROVIDER_UNAVAILABLE", "Cannot start a gVisor machine: runsc is not installed", {
    hint: "hearth setup gvisor",
  });
}
