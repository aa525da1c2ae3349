/** A cross-section of the examples in QEMU: the same records as everywhere. Emulated where the host has no KVM. */
import { describe, expect, it } from "vitest";
import { expectedRecord, runExample } from "../example-record.ts";

describe("examples in QEMU", () => {
  it.each(["needs", "actions", "failing"])("%s gives its expected record", async (example) => {
    const { record, events, left } = await runExample(example, "qemu");
    expect(record).toEqual(expectedRecord(example));
    expect(events.filter((event) => event.type === "machine_ready")).toHaveLength(1);
    expect(left).toEqual([]);
  });
});
