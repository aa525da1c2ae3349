/** Every example in a gVisor sandbox: the record must be the one beside it, the same as on every other provider. */
import { describe, expect, it } from "vitest";
import { EXAMPLES, expectedRecord, runExample } from "../example-record.ts";

describe("examples in gVisor", () => {
  it.each(EXAMPLES)("%s gives its expected record", async (example) => {
    const { record, events, end, left } = await runExample(example, "gvisor");
    expect(record).toEqual(expectedRecord(example));
    expect(end.exitCode).toBe(example === "failing" ? 1 : 0);
    const machines = events.filter((event) => event.type === "machine_ready");
    expect(machines.map((event) => event.isolation)).toEqual(Object.keys(record).map(() => "sandbox (gVisor)"));
    expect(left).toEqual([]);
  });

  it("gives three workflows three machines, and the two jobs of each the same one", async () => {
    const { events } = await runExample("parallel", "gvisor");
    const bootIds = events.flatMap((event) => (event.type === "machine_ready" ? [event.bootId] : []));
    expect(bootIds).toHaveLength(3);
    expect(new Set(bootIds).size).toBe(3);
  });
});
