/** A cross-section of the examples in QEMU: the same records as everywhere. Emulated where the host has no KVM. */
import { describe, expect, it } from "vitest";
import { bootIdsOf } from "../boot-ids.ts";
import { expectedRecord, runExample } from "../example-record.ts";

describe("examples in QEMU", () => {
  it.each(["needs", "actions", "failing"])("%s gives its expected record", async (example) => {
    const { record, events, left } = await runExample(example, "qemu");
    expect(record).toEqual(expectedRecord(example));
    expect(events.filter((event) => event.type === "machine_ready")).toHaveLength(1);
    expect(left).toEqual([]);
  });

  it("runs three jobs and five steps in one machine: one boot id, seen from inside and from outside", async () => {
    const seen = await bootIdsOf("qemu");
    expect(seen.inside).toHaveLength(5);
    expect(new Set([...seen.inside, ...seen.outside]).size).toBe(1);
  });

  it("gives three workflows three machines", async () => {
    const { record, events, left } = await runExample("parallel", "qemu");
    expect(record).toEqual(expectedRecord("parallel"));
    const bootIds = events.flatMap((event) => (event.type === "machine_ready" ? [event.bootId] : []));
    expect(new Set(bootIds).size).toBe(3);
    expect(left).toEqual([]);
  });
});
