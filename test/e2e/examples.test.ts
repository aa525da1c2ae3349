/** Every example on the host: the record must be the one beside it, and nothing may be left. */
import { describe, expect, it } from "vitest";
import { EXAMPLES, expectedRecord, runExample } from "../example-record.ts";

/** These want a compiler, or `python`: the image has them, a host has what it has. */
const NEEDS_TOOLS = new Set(["c-program", "python-script"]);

describe("examples on the host", () => {
  it.each(EXAMPLES.filter((example) => !NEEDS_TOOLS.has(example)))("%s gives its expected record", async (example) => {
    const { record, end, left } = await runExample(example, "host");
    expect(record).toEqual(expectedRecord(example));
    expect(end.exitCode).toBe(example === "failing" ? 1 : 0);
    expect(left).toEqual([]);
  });
});
