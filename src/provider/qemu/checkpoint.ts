/**
 * Saving a machine that has been used, as it is at one moment: it is stopped, its memory and devices go into one file and its disk
 * is copied, and it runs on. Who goes on from it is `restoreMachine`'s; whether it may is said by the identity that is saved last.
 *
 * The sessions on the ports are left as they were: in the guest they end by the next hello, in this machine and in every other that
 * goes on from here.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { untilAborted, withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { fixUpCopy } from "../../protocol/fix-up.ts";
import { writeIdentity } from "../../template/saved-identity.ts";
import type { TemplateParts } from "../../template/template-store.ts";
import { untilLost } from "./loss.ts";
import { SAVED_FILES } from "./machine-file.ts";
import { packScratchDisk } from "./scratch-disk.ts";
import { START_DEADLINE_MS, greetPorts, machinesDirectory } from "./start-machine.ts";
import type { MachineRequest, StartedMachine, Streams } from "./start-machine.ts";
import { writeState } from "./state-stream.ts";

export interface Saved {
  readonly streams: Streams;
  /** Why nothing was saved, if that is so. */
  readonly failure: string | undefined;
}

/** A machine of 20 GB on a slow disk. */
const SAVE_DEADLINE_MS = 600_000;
/** What waits in the guest comes before all else there. */
const FIX_UP_DEADLINE_MS = 20_000;
const LOSS_DEADLINE_MS = 5_000;

/** As `Machine.save`. What it has written is gone when it throws or says a failure. */
export async function saveMachine(
  request: MachineRequest,
  machine: StartedMachine,
  { identity, directory, signal }: { identity: TemplateParts; directory: string; signal: AbortSignal },
): Promise<Saved> {
  signal.throwIfAborted();
  const { qemu, ports } = machine;
  const stop = new AbortController();
  void qemu.ended.then((how) => stop.abort(new Error(how.reason)));
  const within = AbortSignal.any([signal, stop.signal, AbortSignal.timeout(SAVE_DEADLINE_MS)]);
  ports.agent.endSession();
  ports.egress.endSession();
  try {
    const failure = machine.unfixable ?? (await saveStopped(request, machine, directory, within));
    if (failure === undefined) await writeIdentity(directory, identity);
    else await removeSaved(directory);
    const deadlineMs = START_DEADLINE_MS[request.options.accelerator];
    const streams = await untilAborted(greetPorts(ports, { deadlineMs, again: true }), within);
    return { streams, failure };
  } catch (cause) {
    await removeSaved(directory);
    signal.throwIfAborted();
    throw await lostWhileSaved(request, machine, cause);
  }
}

/** The reason why it could not be saved, if there is one; the machine runs in either case. */
async function saveStopped(
  { options, confinement }: MachineRequest,
  machine: StartedMachine,
  directory: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { qemu, scratch } = machine;
  await untilAborted(qemu.control("stop"), signal);
  const state = {
    directory: machinesDirectory(options),
    confinement,
    memory: "inside" as const,
    path: join(directory, SAVED_FILES.state),
    signal,
  };
  const [memory, disk] = await Promise.allSettled([
    writeState(qemu, state),
    scratch && packScratchDisk(scratch, join(directory, SAVED_FILES.scratch), signal),
  ]);
  signal.throwIfAborted();
  // It has stood still, and its clock with it.
  const fixed = fixUpCopy(qemu.port("fixup"), { deadlineMs: FIX_UP_DEADLINE_MS }).then(
    () => undefined,
    (error: unknown) => `its clock could not be set right: ${wordsOf(error)}`,
  );
  await untilAborted(qemu.control("cont"), signal);
  const failed = [memory, disk].find((result) => result.status === "rejected");
  machine.unfixable = await untilAborted(fixed, signal);
  return failed === undefined ? machine.unfixable : wordsOf(failed.reason);
}

async function removeSaved(directory: string): Promise<void> {
  await Promise.all(Object.values(SAVED_FILES).map((name) => rm(join(directory, name), { force: true })));
}

async function lostWhileSaved(
  { spec, confinement }: MachineRequest,
  { qemu }: StartedMachine,
  cause: unknown,
): Promise<EngineError> {
  const reason = await withDeadline(
    untilLost(qemu, confinement).then((loss) => loss.reason),
    cause instanceof EngineError && cause.code === "GUEST_PROTOCOL" ? 0 : LOSS_DEADLINE_MS,
    () => wordsOf(cause),
  );
  return new EngineError("MACHINE_LOST", `Cannot save machine ${spec.id}: ${reason}`, { cause });
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
