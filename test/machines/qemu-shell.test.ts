import { describe, expect, it } from "vitest";
import { openAgent } from "../../src/protocol/open-agent.ts";
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import { machineSpec } from "./gvisor-fixture.ts";
import { qemuFixture, qemuLeftovers } from "./qemu-fixture.ts";
import { anInteractiveShell, goneWithItsHost, muchOfIt } from "./shell-suite.ts";

describe("a shell in QEMU", () => {
  it("is interactive, takes and gives much, and is gone when the host hangs up", async () => {
    await using fixture = await qemuFixture();
    const provider = createQemuProvider(fixture.options);
    {
      await using machine = await provider.provision(machineSpec("qemu-shell"), new AbortController().signal);
      await using agent = await openAgent(machine.agent);
      await anInteractiveShell(agent);
      await muchOfIt(agent);
      await goneWithItsHost(agent);
    }
    expect(await qemuLeftovers(fixture.options.dataDir, "qemu-shell")).toEqual([]);
  });
});
