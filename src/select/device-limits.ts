/**
 * `disk` and `balloon` of an entry of `runs-on` in `hearth.yml`: what a Firecracker machine may ask of its disks, and how much of
 * its memory it gets only when it runs short. The file may be a stranger's: it lowers the operator's limits and never lifts them
 * (`firecracker/device-limits.ts`).
 */
import { isScalar } from "yaml";
import type { DeviceLimits } from "../plan/runner-map.ts";
import { fault, readMembers } from "./settings-node.ts";
import type { Place, Reader } from "./settings-node.ts";

const MAX_MIB = 1024 * 1024;
const MAX_OPERATIONS = 10_000_000;

export function readDiskLimits(reader: Reader, place: Place): DeviceLimits {
  let limits: DeviceLimits = {};
  const faultsBefore = reader.diagnostics.length;
  readMembers(reader, place, {
    bandwidth: (value) => {
      const mib = sizeOf(reader, value, { leastMib: 1, mostMib: MAX_MIB, such: "200 MiB" });
      if (mib !== undefined) limits = { ...limits, diskMibPerSecond: mib };
    },
    operations: (value) => {
      const count = isScalar(value.node) ? value.node.value : undefined;
      if (typeof count === "number" && Number.isInteger(count) && count >= 1 && count <= MAX_OPERATIONS) {
        limits = { ...limits, diskOpsPerSecond: count };
      } else fault(reader, value, `Expected a number from 1 to ${MAX_OPERATIONS}, which is of a second`);
    },
  });
  if (Object.keys(limits).length === 0 && reader.diagnostics.length === faultsBefore) {
    fault(reader, place, "Expected bandwidth or operations");
  }
  return limits;
}

export function readBalloon(reader: Reader, place: Place): DeviceLimits {
  const balloonMib = sizeOf(reader, place, { leastMib: 1, mostMib: MAX_MIB, such: "512 MiB" });
  return balloonMib === undefined ? {} : { balloonMib };
}

interface SizeRange {
  readonly leastMib: number;
  readonly mostMib: number;
  /** Examples of it. */
  readonly such: string;
}

const MIB = { mib: 1, gib: 1024 } as const;

/** In MiB. With its unit, because a bare number means bytes to one reader and gigabytes to another. */
export function sizeOf(reader: Reader, place: Place, { leastMib, mostMib, such }: SizeRange): number | undefined {
  const text = isScalar(place.node) && typeof place.node.value === "string" ? place.node.value : "";
  const [, count = "", unit = ""] = /^(\d{1,7}(?:\.\d)?) ?(MiB|GiB)$/iu.exec(text) ?? [];
  const mib = Math.round(Number(count) * (unit.toLowerCase() === "gib" ? MIB.gib : MIB.mib));
  if (mib >= leastMib && mib <= mostMib) return mib;
  const most = `${mostMib / 1024} GiB`;
  fault(reader, place, `Expected a size with its unit, such as ${such}, from ${leastMib} MiB to ${most}`);
  return undefined;
}
