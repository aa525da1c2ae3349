/** Where a machine's memory is when its state is saved, as both ends have to know. */

/** `outside`: in a file that it is shared with, which leaves 350 kB for the state. */
export type MemoryPlace = "inside" | "outside";

/** For `migrate-set-capabilities`. */
export function memoryCapability(memory: MemoryPlace): object {
  return { capabilities: [{ capability: "x-ignore-shared", state: memory === "outside" }] };
}
