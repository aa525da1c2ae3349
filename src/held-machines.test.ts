import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import type { OpenMachine } from "./commands/hearth.ts";
import { createHeldMachines } from "./held-machines.ts";
import { inProcessAgent, offerAgent } from "./protocol/in-process-agent.ts";
import { fakeAgent } from "./provider/fake/fake-agent.ts";

const directory = mkdtempSync(join(tmpdir(), "hearth-held-test-"));
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const PLACE = { env: { STAGE: "one" }, cwd: "/work" };

function machine(bootId: string): OpenMachine {
  const agent = inProcessAgent(
    offerAgent(
      fakeAgent({
        bootId,
        home: "/home/runner",
        files: new Map(),
        beforeReset: () => undefined,
        vitals: () => ({ oomKills: 0, freeBytes: 1, freeInodes: 1, memoryAvailableBytes: 1 }),
        input: () => Buffer.alloc(0),
        answer: () => undefined,
      }),
    ),
  );
  const held = { id: `m-${bootId}`, isolation: "none (fake)", agent };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the rest of a machine is not looked at
  return { machine: held, [Symbol.asyncDispose]: async () => undefined } as unknown as OpenMachine;
}

it("each machine has a name of its own and is entered by it, until it is let go", async () => {
  const [ours, others] = [createHeldMachines(directory), createHeldMachines(directory)];
  const one = await ours.hold("mrun", machine("a"), PLACE);
  const two = await others.hold("mrun", machine("b"), PLACE);
  expect([one.id, two.id]).toEqual(["mrunf1", "mrunf2"]);
  {
    await using inside = await ours.enter("mrunf2");
    expect(inside).toMatchObject({ machine: "m-b", cwd: "/work" });
    expect(await inside?.agent.ready()).toMatchObject({ bootId: "b", env: { STAGE: "one" } });
  }
  await one[Symbol.asyncDispose]();
  expect(await ours.enter("mrunf1")).toBeUndefined();
  await using again = await ours.hold("mrun", machine("c"), PLACE);
  expect(again.id).toBe("mrunf1");
  await two[Symbol.asyncDispose]();
});

it("a name leads nowhere else, and what a killed process left is swept", async () => {
  const held = createHeldMachines(join(directory, "held"));
  mkdirSync(join(directory, "held/mrunf1"), { recursive: true });
  // Of a process of an earlier boot.
  const owner = JSON.stringify({ pid: 1, bootId: "earlier", startTicks: "1" });
  writeFileSync(join(directory, "held/mrunf1/.hearth-owner"), owner);
  expect(await held.enter("../held/mrunf1")).toBeUndefined();
  await expect(held.enter("mrunf1")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  await using one = await held.hold("mrun", machine("a"), PLACE);
  expect(one.id).toBe("mrunf1");
  await using inside = await held.enter("mrunf1");
  expect(inside?.machine).toBe("m-a");
  expect(readdirSync(join(directory, "held"))).toEqual(["mrunf1"]);
});
