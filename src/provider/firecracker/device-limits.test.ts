import { expect, it } from "vitest";
import type { DeviceLimits } from "../../plan/runner-map.ts";
import { limitsOf } from "./device-limits.ts";

const operators = { console: true, diskMibPerSecond: 100, diskOpsPerSecond: undefined };
const spec = { id: "m1", cpus: 1, memoryMib: 1024, certificateAuthorities: undefined, image: undefined };

it.each<[string, DeviceLimits | undefined, object]>([
  ["are the operator's where nothing is asked for", undefined, { diskMibPerSecond: 100, balloonMib: 0 }],
  ["are lowered", { diskMibPerSecond: 50, diskOpsPerSecond: 9 }, { diskMibPerSecond: 50, diskOpsPerSecond: 9 }],
  ["are never lifted", { diskMibPerSecond: 1000 }, { diskMibPerSecond: 100, diskOpsPerSecond: undefined }],
  ["have the balloon that is asked for", { balloonMib: 896 }, { balloonMib: 896 }],
])("limits of a machine %s", (_, devices, expected) => {
  expect(limitsOf(operators, { ...spec, ...(devices && { devices }) })).toMatchObject({ console: true, ...expected });
});

it("refuses a balloon that leaves too little to boot", () => {
  expect(() => limitsOf(operators, { ...spec, devices: { balloonMib: 897 } })).toThrow(
    expect.objectContaining({ code: "MACHINE_START_FAILED", message: expect.stringContaining("897 MiB leaves") }),
  );
});
