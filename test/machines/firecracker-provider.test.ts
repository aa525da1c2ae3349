/**
 * The provider contract on Firecracker's provider, with everything real but Firecracker itself: jail, directory, account, requests,
 * channel, and a guest that boots the provider's kernel, initial file system, command line and disks, emulated by QEMU behind the
 * fake. What only a real Firecracker under KVM can show is in `firecracker-real.test.ts`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { createFirecrackerProvider } from "../../src/provider/firecracker/provider.ts";
import { providerContract } from "../../src/provider/provider.contract.ts";
import type { Machine } from "../../src/provider/provider.ts";
import type { FirecrackerFixture } from "./firecracker-fixture.ts";
import { firecrackerFixture, firecrackerLeftovers, firecrackerProcesses } from "./firecracker-fixture.ts";
import { machineSpec, shell } from "./gvisor-fixture.ts";

let fixture: FirecrackerFixture;
const { signal } = new AbortController();
const CONTRACT = `contract-${process.pid}-`;
const isRoot = process.getuid?.() === 0;
const OWN = `test-${process.pid}-`;

beforeAll(async () => {
  fixture = await firecrackerFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());

providerContract("firecracker, the fake", {
  create: async () => createFirecrackerProvider(fixture.options),
  leftovers: () => firecrackerLeftovers(fixture.options.dataDir, CONTRACT),
  kill: async (machine) => {
    for (const pid of await firecrackerProcesses(machine.id)) process.kill(pid, "SIGKILL");
  },
});

describe("a Firecracker machine", () => {
  let machine: Machine;
  let root: (script: string) => ReturnType<typeof shell>;
  beforeAll(async () => {
    machine = await createFirecrackerProvider(fixture.options).provision(machineSpec(`${OWN}1`), signal);
    const agent = connectAgent(machine.agent);
    root = (script) => shell(agent, script, "root");
  });
  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
  });

  it("is processes of an account of their own, which can gain no privileges", async (context) => {
    if (!fixture.changesUser) context.skip("not root, or the fake's files are not open to the machine's account");
    await using other = await createFirecrackerProvider(fixture.options).provision(machineSpec(`${OWN}2`), signal);
    const own = await accountsOf(machine);
    expect(own.uids).toHaveLength(1);
    expect(own.uids).not.toEqual((await accountsOf(other)).uids);
    expect(own).toMatchObject({ noNewPrivileges: ["1"], capabilities: ["0000000000000000"] });
    expect(machine.isolation).toBe("microVM (Firecracker)");
  });

  it("runs without a jail only where the operator says so, and says so itself", async () => {
    const options = { ...fixture.options, jailer: "off" as const };
    await using other = await createFirecrackerProvider(options).provision(machineSpec(`${OWN}plain`), signal);
    expect(other.isolation).toBe("microVM (Firecracker, no jailer)");
  });

  it("dies with the process that made it, even when that one is killed", async () => {
    const script = join(import.meta.dirname, "hold-firecracker-machine.ts");
    const holder = spawn(process.execPath, [script, JSON.stringify(fixture.options), `${OWN}orphan`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    expect((await firecrackerProcesses(`${OWN}orphan`)).length).toBeGreaterThan(1);
    holder.kill("SIGKILL");
    await expect.poll(() => firecrackerProcesses(`${OWN}orphan`), { timeout: 20_000 }).toEqual([]);
    // Its directory and its account go when the next machine comes.
    await using _ = await createFirecrackerProvider(fixture.options).provision(machineSpec(`${OWN}next`), signal);
    expect(await firecrackerLeftovers(fixture.options.dataDir, `${OWN}orphan`)).toHaveLength(isRoot ? 4 : 2);
  });

  it("finds its disks by their order, as their serial numbers say nothing", async () => {
    const script = `grep -c hearth_disks=root,externals,scratch /proc/cmdline
      awk '$2 == "/opt/externals" { print $1 }' /proc/mounts; cat /sys/block/vda/serial | grep -c '^[0-9]*$'`;
    expect(await root(script)).toEqual({ code: 0, output: "1\n/dev/vdb\n1" });
  });

  it("has no network card, and cannot write to what it shares with others, even as root", async () => {
    const script = `ls /sys/class/net
      for disk in vda vdb; do blockdev --setrw /dev/$disk; echo x | dd of=/dev/$disk conv=fsync 2>/dev/null || echo "$disk kept"; done`;
    expect((await root(script)).output).toBe("lo\nvda kept\nvdb kept");
  });

  it("is lost, with the kernel's own words, when its kernel panics", async () => {
    const panicking = root("echo c > /proc/sysrq-trigger").catch((error: unknown) => error);
    expect(await machine.lost).toMatchObject({
      cause: "kernel_panic",
      reason: "the guest's kernel panicked (sysrq triggered crash)",
      console: expect.stringContaining("Kernel panic - not syncing"),
    });
    expect(await panicking).toMatchObject({ code: "MACHINE_LOST" });
    await machine[Symbol.asyncDispose]();
    expect(await firecrackerLeftovers(fixture.options.dataDir, OWN)).toEqual([]);
  });
});

/** Of the processes that are the machine, without those that guard it from outside: each different value once. */
async function accountsOf({ id }: Machine): Promise<{
  readonly uids: readonly string[];
  readonly noNewPrivileges: readonly string[];
  readonly capabilities: readonly string[];
}> {
  const pids = await firecrackerProcesses(id);
  const statuses = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/status`, "utf8")));
  const inside = statuses.filter((status) => !/^Uid:\t0\t/m.test(status));
  const values = (name: string): string[] => [
    ...new Set(inside.map((status) => new RegExp(`^${name}:\\t(\\S+)`, "m").exec(status)?.[1] ?? "none")),
  ];
  return { uids: values("Uid"), noNewPrivileges: values("NoNewPrivs"), capabilities: values("CapEff") };
}
