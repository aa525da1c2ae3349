import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Vitals } from "../protocol/agent-api.ts";
import { readVitals } from "./vitals.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearth-test-vitals-"));
});
afterEach(async () => rm(directory, { recursive: true }));

describe("readVitals", () => {
  it("is what the protocol knows, with the size of the file system that the path is on", async () => {
    const vitals = Vitals.parse(readVitals(directory, { ownsKernel: true }));
    const { blocks, bsize } = await statfs(directory);
    expect(vitals.freeBytes).toBeGreaterThan(0);
    expect(vitals.freeBytes).toBeLessThanOrEqual(blocks * bsize);
    expect(vitals.memoryAvailableBytes).toBeLessThanOrEqual(totalmem());
  });

  it("answers for a directory that a step has removed", () => {
    expect(readVitals(join(directory, "gone/too"), { ownsKernel: true }).freeBytes).toBeGreaterThan(0);
  });

  it("says nothing about what the kernel of a whole host killed", () => {
    expect(readVitals(directory, { ownsKernel: false }).oomKills).toBeNull();
  });
});
