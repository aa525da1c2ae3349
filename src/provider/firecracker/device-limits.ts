/** What the operator's settings and the machine's own wish come to: the lower of the two, and a balloon that leaves memory. */
import { EngineError } from "../../lib/engine-error.ts";
import type { MachineSpec } from "../provider.ts";
import type { MachineLimits } from "./boot.ts";

/** Below it no guest boots. */
const LEAST_MEMORY_MIB = 128;

/** Throws MACHINE_START_FAILED for a balloon that leaves the guest too little to boot. */
export function limitsOf(settings: MachineLimits, { id, memoryMib, devices }: MachineSpec): MachineLimits {
  const { diskMibPerSecond, diskOpsPerSecond, balloonMib = 0 } = devices ?? {};
  if (memoryMib - balloonMib < LEAST_MEMORY_MIB) {
    const message = `Cannot start machine ${id}: a balloon of ${balloonMib} MiB leaves too little of its ${memoryMib} MiB`;
    throw new EngineError("MACHINE_START_FAILED", message, {
      hint: `Leave ${LEAST_MEMORY_MIB} MiB at least: balloon and memory of runs-on in hearth.yml`,
    });
  }
  return {
    ...settings,
    diskMibPerSecond: lower(settings.diskMibPerSecond, diskMibPerSecond),
    diskOpsPerSecond: lower(settings.diskOpsPerSecond, diskOpsPerSecond),
    balloonMib,
  };
}

function lower(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}
