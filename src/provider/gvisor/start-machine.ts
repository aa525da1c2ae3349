/**
 * From nothing to a guest that answers, in the two ways there are: started, or as a copy of a template. In either case nothing is
 * left when it fails.
 */
import type { Duplex } from "node:stream";
import { untilAborted, withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { createCgroup, sweepCgroups } from "../cgroup.ts";
import type { Cgroup } from "../cgroup.ts";
import { MachineStartError } from "../provider.ts";
import type { MachineLoss, MachineSpec } from "../provider.ts";
import { openDoors } from "./guest-doors.ts";
import { lossOf } from "./loss.ts";
import { createMachineDirectory } from "./machine-directory.ts";
import type { MachineDirectory } from "./machine-directory.ts";
import type { GvisorSettings, Prepared } from "./prepare.ts";
import { restoreArgv, runArgv, tiedToUs } from "./runsc.ts";
import { startSandbox } from "./sandbox-process.ts";
import type { SandboxProcess } from "./sandbox-process.ts";
import { watchMemory } from "./watch-memory.ts";

/** A start takes 0.2 s; on a host that is busy with other machines it takes its turn. */
const START_DEADLINE_MS = 60_000;
/** One that does not come up is started from nothing instead. */
const COPY_DEADLINE_MS = 20_000;
/** Between the end of its streams and that of all its processes. */
const END_DEADLINE_MS = 2_000;
/** What gVisor's kernel itself needs beside the guest's memory. */
const SENTRY_MIB = 256;
/** Each process or thread of the guest is one of the host's and takes 0.3 MiB of gVisor's kernel: a fork bomb ends before the memory does. */
const TASKS_PER_MIB = 2;

/** What is asked for, and what there is for it. */
export interface MachineRequest {
  readonly settings: GvisorSettings;
  readonly spec: MachineSpec;
  readonly prepared: Prepared;
  readonly signal: AbortSignal;
}

export interface StartedMachine extends AsyncDisposable {
  readonly directory: MachineDirectory;
  readonly sandbox: SandboxProcess;
  /** Undefined where this host cannot limit machines. */
  readonly cgroup: Cgroup | undefined;
  /** How it ended, whoever ended it. */
  readonly lost: Promise<MachineLoss>;
  /** Greeting done, both of them. */
  readonly agent: Duplex;
  readonly egress: Duplex;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * `savedIn`: the template it is a copy of, which may be gone when this has resolved; undefined: it is started from nothing. Throws
 * MACHINE_START_FAILED, or the signal's reason.
 */
export async function startMachine(request: MachineRequest, savedIn: string | undefined): Promise<StartedMachine> {
  const { settings, spec, prepared, signal } = request;
  signal.throwIfAborted();
  // Undone in reverse order if anything below fails; on success the machine's disposal takes over.
  await using undo = new AsyncDisposableStack();
  const directory = undo.use(await createMachineDirectory(settings, spec, prepared));
  const doors = undo.use(await openDoors(directory));
  const cgroup = undo.use(await limit(settings, spec));
  const argv =
    savedIn === undefined
      ? runArgv(prepared.runsc, directory.sandbox)
      : restoreArgv(prepared.runsc, directory.sandbox, savedIn);
  signal.throwIfAborted();
  const sandbox = undo.use(startSandbox([...(cgroup?.prefix ?? []), ...tiedToUs(argv)], directory.path));
  const memory = undo.use(watchMemory(cgroup, sandbox));
  const lost = sandbox.ended.then(async (end) => {
    const { oomKills = 0, refusedTasks = 0 } = (await cgroup?.events()) ?? {};
    const [console, isExhausted, { memoryMib }] = [sandbox.console(), memory.isExhausted(), spec];
    return lossOf({ end, console, oomKills, isExhausted, refusedTasks, memoryMib });
  });
  const deadlineMs = savedIn === undefined ? START_DEADLINE_MS : COPY_DEADLINE_MS;
  const { agent, egress } = await answered(doors.entered, { spec, sandbox, lost, signal, deadlineMs });
  if (savedIn !== undefined) await sandbox.watchParts();
  const owned = undo.move();
  return {
    directory,
    sandbox,
    cgroup,
    lost,
    agent,
    egress,
    // Each part has a deadline of its own.
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  };
}

/** Undefined where this host cannot limit machines. */
async function limit({ cgroups }: GvisorSettings, { id, cpus, memoryMib }: MachineSpec): Promise<Cgroup | undefined> {
  if (cgroups === undefined) return undefined;
  await sweepCgroups(cgroups);
  return createCgroup(cgroups, id, { cpus, memoryMib: memoryMib + SENTRY_MIB, tasks: memoryMib * TASKS_PER_MIB });
}

interface Starting {
  readonly spec: MachineSpec;
  readonly sandbox: SandboxProcess;
  readonly lost: Promise<MachineLoss>;
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
}

async function answered<T>(entered: Promise<T>, { spec, sandbox, lost, signal, deadlineMs }: Starting): Promise<T> {
  const failed = (what: string, cause?: unknown): EngineError => {
    const message = `Cannot start machine ${spec.id}: ${what}\n${sandbox.console()}`.trimEnd();
    return new EngineError("MACHINE_START_FAILED", message, { cause, hint: HINT });
  };
  const ended = lost.then((loss) => {
    throw new MachineStartError(spec.id, loss, { hint: HINT });
  });
  const started = entered.catch(async (cause: unknown) => {
    // How it ended says more than the streams that ended with it.
    await withDeadline(ended, END_DEADLINE_MS, () => undefined);
    throw failed(String(cause), cause);
  });
  const late = () => {
    throw failed(`no answer from its agent within ${deadlineMs / 1000} s`);
  };
  return untilAborted(withDeadline(Promise.race([started, ended]), deadlineMs, late), signal);
}

const HINT = "hearth doctor says whether this host can run gVisor";
