/**
 * A machine that is saved while it runs, and what was saved: a sandbox's memory and files (`checkpoint.ts`), and all that it fits
 * only together with.
 */
import { untilAborted, withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { requireIdentity, writeIdentity } from "../../template/saved-identity.ts";
import { saveSandbox } from "./checkpoint.ts";
import { openDoors } from "./guest-doors.ts";
import type { GuestDoors } from "./guest-doors.ts";
import { describeEnd } from "./loss.ts";
import { startMachine } from "./start-machine.ts";
import type { MachineRequest, StartedMachine } from "./start-machine.ts";
import { templateParts } from "./template.ts";

const RETURN_DEADLINE_MS = 20_000;

export interface SavedMachine {
  /** The guest's new ways to the host, entered. */
  readonly doors: GuestDoors;
  /** runsc's own reason why it could not be saved; undefined: it was. */
  readonly failure: string | undefined;
}

/** Throws MACHINE_LOST or the signal's reason. */
export async function saveMachine(
  request: MachineRequest,
  machine: Pick<StartedMachine, "directory" | "sandbox" | "agent" | "egress">,
  saveIn: string,
): Promise<SavedMachine> {
  const { signal, prepared } = request;
  const { sandbox, directory } = machine;
  const failure = await saveSandbox(machine, { runsc: prepared.runsc, saveIn, signal });
  await using undo = new AsyncDisposableStack();
  const doors = undo.use(await openDoors(directory));
  const ended = sandbox.ended.then((end): never => {
    throw new EngineError("MACHINE_LOST", `The sandbox ${describeEnd(end)} when it had been saved`);
  });
  const late = (): never => {
    throw new EngineError("MACHINE_LOST", `No sign of the machine ${RETURN_DEADLINE_MS / 1000} s after it was saved`);
  };
  await untilAborted(withDeadline(Promise.race([doors.entered, ended]), RETURN_DEADLINE_MS, late), signal);
  // Last of all: without it nobody goes on from what a save that was given up has left.
  if (failure === undefined) await writeIdentity(saveIn, await templateParts(request));
  undo.move();
  return { doors, failure };
}

/** Throws CHECKPOINT_UNUSABLE and what `startMachine` throws. */
export async function restoreMachine(request: MachineRequest, savedIn: string): Promise<StartedMachine> {
  await requireIdentity(savedIn, await templateParts(request));
  return startMachine(request, savedIn);
}
