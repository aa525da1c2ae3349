import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentClient } from "../../src/protocol/agent-client.ts";
import { openAgent } from "../../src/protocol/open-agent.ts";
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import type { Machine } from "../../src/provider/provider.ts";
import { gvisorFixture, machineSpec } from "./gvisor-fixture.ts";
import type { GvisorFixture } from "./gvisor-fixture.ts";
import { anInteractiveShell, goneWithItsHost, muchOfIt, openShell, withoutScript } from "./shell-suite.ts";

let fixture: GvisorFixture;
let machine: Machine;
let agent: AgentClient;

beforeAll(async () => {
  fixture = await gvisorFixture();
  const provider = gvisorProvider(fixture.settings);
  machine = await provider.provision(machineSpec("gvisor-shell"), new AbortController().signal);
  agent = await openAgent(machine.agent);
});

afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await machine?.[Symbol.asyncDispose]();
  await fixture?.[Symbol.asyncDispose]();
});

describe("a shell in gVisor", () => {
  it("is interactive: size, Ctrl-C, job control, exit code", async () =>
    expect(await anInteractiveShell(agent)).toBeUndefined());
  it("takes a megabyte that is pasted and gives ten", async () => expect(await muchOfIt(agent)).toBeUndefined());
  it("is gone with all it started when the host hangs up", async () =>
    expect(await goneWithItsHost(agent)).toBeUndefined());
  it("is refused with the reason where the image has no script", async () =>
    expect(await withoutScript(agent)).toBeUndefined());

  it("ends with its machine, which leaves nothing", async () => {
    const { session, shows } = await openShell(agent);
    await shows(/ready> $/);
    await machine[Symbol.asyncDispose]();
    await expect(session.ended).rejects.toMatchObject({ code: "MACHINE_LOST" });
    const left = await readdir(fixture.settings.runDir, { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => !entry.isDirectory()).map(({ name }) => name)).toEqual([]);
  });
});
