/**
 * What is saved of a real QEMU machine, emulated wherever it runs: the contract, and what only QEMU's can show. Nothing is left by a
 * save that fails, whatever ends it and when (SECURITY-RELIABILITY A28, F05).
 */
import { mkdtemp, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { checkpointContract } from "../../src/provider/checkpoint.contract.ts";
import type { AfterSave, Machine } from "../../src/provider/provider.ts";
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import { machineSpec, shell } from "./gvisor-fixture.ts";
import type { QemuFixture } from "./qemu-fixture.ts";
import { qemuFixture, qemuLeftovers, qemuProcesses } from "./qemu-fixture.ts";

const { signal } = new AbortController();
const CONTRACT = `contract-${process.pid}-s`;

let fixture: QemuFixture;

beforeAll(async () => {
  fixture = await qemuFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());

async function kill(machine: Machine): Promise<void> {
  for (const pid of await qemuProcesses(machine.id)) process.kill(pid, "SIGKILL");
}

checkpointContract("qemu, emulated", {
  create: async () => createQemuProvider(fixture.options),
  leftovers: () => qemuLeftovers(fixture.options.dataDir, CONTRACT),
  kill,
  identityFile: "identity.json",
});
