/** Every example in a gVisor sandbox: the record must be the one beside it, the same as on every other provider. */
import { describe, expect, it } from "vitest";
import { bootIdsOf } from "../boot-ids.ts";
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

  it("runs three jobs and five steps in one machine: one boot id, seen from inside and from outside", async () => {
    const seen = await bootIdsOf("gvisor");
    expect(seen.inside).toHaveLength(5);
    expect(new Set([...seen.inside, ...seen.outside]).size).toBe(1);
  });

  it("gives three workflows three machines", async () => {
    const { events } = await runExample("parallel", "gvisor");
    const bootIds = events.flatMap((event) => (event.type === "machine_ready" ? [event.bootId] : []));
    expect(bootIds).toHaveLength(3);
    expect(new Set(bootIds).size).toBe(3);
  });
});
