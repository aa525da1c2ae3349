/** The two ways from a guest to its host, open together and entered once each. */
import type { Duplex } from "node:stream";
import { openDoor } from "./guest-door.ts";
import type { MachineDirectory } from "./machine-directory.ts";

export interface GuestStreams {
  readonly agent: Duplex;
  readonly egress: Duplex;
}

export interface GuestDoors extends AsyncDisposable {
  /** Resolves when the guest has come in by both; disposal ends the streams. */
  readonly entered: Promise<GuestStreams>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openDoors({
  agentSocket,
  egressSocket,
}: Pick<MachineDirectory, "agentSocket" | "egressSocket">): Promise<GuestDoors> {
  await using undo = new AsyncDisposableStack();
  const doors = [undo.use(await openDoor(agentSocket)), undo.use(await openDoor(egressSocket))] as const;
  const owned = undo.move();
  return {
    entered: Promise.all([doors[0].entered, doors[1].entered]).then(([agent, egress]) => ({ agent, egress })),
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  };
}
