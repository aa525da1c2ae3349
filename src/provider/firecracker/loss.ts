/** Why a machine is gone, from how its process ended and what its console said last. */
import type { MachineLoss } from "../provider.ts";
import type { ConsoleTail } from "../qemu/console-tail.ts";

/** How its process ended. */
export interface VmEnd {
  readonly signal: string | undefined;
  readonly reason: string;
}

interface VmTraces {
  readonly console: Pick<ConsoleTail, "said" | "text">;
  readonly ended: Promise<VmEnd>;
}

const PANIC = /Kernel panic - not syncing: ([^\r\n]*)[\r\n]/;

/** Resolves when the guest has panicked or Firecracker has ended, for whatever cause; never rejects. */
export async function untilLost({ console, ended }: VmTraces): Promise<MachineLoss> {
  const panicked = console
    .said(PANIC)
    .then((): VmEnd => ({ signal: undefined, reason: "the guest's kernel panicked" }));
  const end = await Promise.race([panicked, ended]);
  return describeLoss(end, console.text());
}

/** A guest that has panicked also ends its process: what the console said comes first. */
export function describeLoss({ signal, reason }: VmEnd, console: string): MachineLoss {
  const words = /Kernel panic - not syncing: ([^\n]*)/.exec(console)?.[1];
  const killed = /Out of memory: Killed process \d+ \(([^)]*)\)/.exec(console)?.[1];
  if (words !== undefined) {
    const panic = `the guest's kernel panicked (${words})`;
    if (killed !== undefined) {
      return { cause: "out_of_memory", reason: `${panic}: out of memory, ${killed} was killed`, console };
    }
    const cause = words.startsWith("Attempted to kill init") ? "agent_ended" : "kernel_panic";
    return { cause, reason: panic, console };
  }
  return { cause: signal === undefined ? "ended" : "killed", reason, console };
}
