/** What is saved of a real gVisor machine: the contract, and that nothing is left by a save that is killed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { checkpointContract } from "../../src/provider/checkpoint.contract.ts";
import { leftovers } from "../../src/provider/gvisor/leftovers.ts";
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import type { GvisorFixture } from "./gvisor-fixture.ts";
import { gvisorFixture, killSandbox, machineSpec, shell } from "./gvisor-fixture.ts";

const { signal } = new AbortController();
let fixture: GvisorFixture;

beforeAll(async () => {
  fixture = await gvisorFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());

checkpointContract("gvisor", {
  create: async () => gvisorProvider(fixture.settings),
  leftovers: async () => leftovers(fixture.settings.runDir),
  kill: async ({ id }) => killSandbox(fixture, id),
  identityFile: "identity.json",
});

describe("a gVisor machine that is saved", () => {
  it.each([0, 5, 20, 50, 90])("leaves nothing when it is killed %i ms after the save began", async (afterMs) => {
    const saves = await mkdtemp(join(tmpdir(), "hearth-gvisor-saves-"));
    try {
      await using machine = await gvisorProvider(fixture.settings).provision(machineSpec(`cut-${afterMs}`), signal);
      await using agent = connectAgent(machine.agent);
      await shell(agent, "head -c 20000000 /dev/urandom > /tmp/some");
      const saving = machine.save?.(saves, signal);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await killSandbox(fixture, machine.id);
      const saved = await saving?.catch((error: unknown) => error);
      // One that was saved before that is told of its loss by its stream.
      const fate = saved instanceof Error ? saved : await machine.lost;
      expect(fate).toMatchObject(saved instanceof Error ? { code: "MACHINE_LOST" } : { cause: "killed" });
    } finally {
      await rm(saves, { recursive: true, force: true });
    }
    expect(await leftovers(fixture.settings.runDir)).toEqual([]);
  });
});
