/**
 * A28, A32 and A33 of SECURITY-RELIABILITY on real QEMU, emulated: what hostile work reaches from inside, what it leaves behind,
 * and what it can take from another machine. Which rights QEMU itself has is in `qemu-provider.test.ts`.
 */
import { readFile, readdir, realpath, stat, statfs } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { AgentClient } from "../../src/protocol/agent-client.ts";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { listCgroups } from "../../src/provider/cgroup.ts";
import type { Machine, MachineLoss } from "../../src/provider/provider.ts";
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import { machineSpec, shell } from "./gvisor-fixture.ts";
import {
  OWN_DOORS,
  datagramAnswers,
  findCanaries,
  hostListeners,
  interfaces,
  openPlaces,
  plantCanaries,
  rawSends,
} from "./guest-attacks.ts";
import type { QemuFixture } from "./qemu-fixture.ts";
import { qemuFixture, qemuLeftovers, qemuProcesses } from "./qemu-fixture.ts";

const OWN = `attack-${process.pid}-`;
const TURNS = 10;
/** Emulated on a busy host, even the guest's own doors take a while to open. */
const SCAN_TIMEOUT_MS = 5_000;

let fixture: QemuFixture;
beforeAll(async () => {
  fixture = await qemuFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());
afterEach(async () => {
  const left = [...(await qemuLeftovers(fixture.options.dataDir, OWN)), ...(await accounts()), ...(await cgroups())];
  if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
});

const provision = async (id: string): Promise<Machine> => {
  const spec = { ...machineSpec(`${OWN}${id}`), cpus: 1, memoryMib: 1024 };
  return createQemuProvider(fixture.options).provision(spec, new AbortController().signal);
};

describe("from inside a virtual machine", () => {
  it("nothing is open but the proxy and the services, whatever address or port is tried", async () => {
    await using listeners = await hostListeners();
    // What a hole would find is there.
    const socket = connect(listeners.tcpPort, "127.0.0.1");
    await new Promise((resolve) => socket.once("close", resolve).resume());
    expect(listeners.heard).toHaveLength(1);

    await using machine = await provision("scan");
    await using agent = connectAgent(machine.agent);
    expect(await interfaces(agent)).toEqual(["lo"]);
    expect(ofOthers(await openPlaces(agent, listeners, SCAN_TIMEOUT_MS))).toEqual(OWN_DOORS);
    expect(await datagramAnswers(agent, listeners)).toEqual([]);
    expect(await rawSends(agent)).toEqual([]);
    expect(listeners.heard).toHaveLength(1);
  });

  it("a packet filter that root takes away, or an interface that root makes, opens nothing", async () => {
    await using listeners = await hostListeners();
    await using machine = await provision("root");
    await using agent = connectAgent(machine.agent);
    const script = `iptables -F; iptables -P OUTPUT ACCEPT; ip link add veth0 type veth peer name veth1; ip link set veth0 up
      ip addr add 192.0.2.2/24 dev veth0; ip route add default via 192.0.2.1; unset https_proxy http_proxy; true`;
    await shell(agent, `set +e; ${script}`, "root");
    expect(ofOthers(await openPlaces(agent, listeners, SCAN_TIMEOUT_MS))).toEqual(OWN_DOORS);
    expect(await datagramAnswers(agent, listeners)).toEqual([]);
    expect(listeners.heard).toEqual([]);
  });
});

/** The guest's own address in its other form is the guest's own. */
function ofOthers(places: readonly string[]): readonly string[] {
  return places.filter((place) => place !== "::ffff:127.0.0.1:3128");
}

describe("between runs", () => {
  it("nothing is left of what the first wrote to every place it could write", async () => {
    const canary = `canary-${process.pid}-${Date.now()}`;
    let before: readonly number[] = [];
    {
      await using machine = await provision("first");
      await using agent = connectAgent(machine.agent);
      before = await templateTimes();
      expect(before).toHaveLength(2);
      expect(await plantCanaries(agent, canary)).toBeGreaterThan(1000);
      // The search finds what is there.
      expect((await findCanaries(agent, canary)).length).toBeGreaterThan(1000);
    }
    await using machine = await provision("first");
    await using agent = connectAgent(machine.agent);
    expect(await findCanaries(agent, canary)).toEqual([]);
    expect(await templateTimes()).toEqual(before);
  });

  it(`the host has as many descriptors, mounts, processes, accounts and cgroups after ${TURNS} machines as at the start`, async () => {
    // What this process opens once for all machines is open after the first.
    await takeTurn(0);
    const before = await countOnHost();
    for (let number = 1; number <= TURNS; number += 1) await takeTurn(number);
    expect(await countOnHost()).toEqual(before);
  });
});

/** Of the files that copies are made of, and never write to. */
async function templateTimes(): Promise<readonly number[]> {
  const parent = join(fixture.options.dataDir, "templates");
  const keys = (await readdir(parent)).filter((name) => !name.startsWith("."));
  const names = await Promise.all(
    keys.map(async (key) => (await readdir(join(parent, key))).map((name) => join(key, name))),
  );
  // Its manifest says when it was used last.
  const files = names.flat().filter((name) => !name.endsWith("/template.json"));
  return Promise.all(files.toSorted().map(async (name) => (await stat(join(parent, name))).mtimeMs));
}

async function takeTurn(number: number): Promise<void> {
  await using machine = await provision(`turn-${number}`);
  await using agent = connectAgent(machine.agent);
  expect((await shell(agent, "sudo true")).code).toBe(0);
  expect(await qemuProcesses(`${OWN}turn-`)).toHaveLength(1);
}

async function countOnHost(): Promise<Readonly<Record<string, number>>> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  const place = await realpath(fixture.options.dataDir);
  const children = await readFile(`/proc/self/task/${process.pid}/children`, "utf8");
  return {
    descriptors: (await readdir("/proc/self/fd")).length,
    mounts: mounts.split("\n").filter((line) => line.includes(place)).length,
    children: children.split(" ").filter(Boolean).length,
    machines: (await qemuProcesses(OWN)).length,
    accounts: (await accounts()).length,
    cgroups: (await cgroups()).length,
  };
}

async function accounts(): Promise<string[]> {
  // Only root has accounts to give.
  const names = await readdir(join(fixture.options.dataDir, "accounts")).catch(() => []);
  return names.filter((name) => !name.startsWith(".")).map((name) => `account ${name}`);
}

async function cgroups(): Promise<string[]> {
  const all = fixture.options.cgroups === undefined ? [] : await listCgroups(fixture.options.cgroups);
  return all.filter(({ id }) => id.startsWith(OWN)).map(({ id }) => `cgroup ${id}`);
}

const FORK_BOMB = "bomb() { bomb | bomb & }; bomb; sleep 600";
/** Nothing may end it: what the kernel then takes is everything else. */
const HOG = "echo -1000 > /proc/self/oom_score_adj; exec tail /dev/zero";
/** The disk is sparse, and what is asked for without being written is taken of it all the same. */
const FILL_DISK =
  "n=0; while fallocate -l 1G /var/tmp/fill-$n; do n=$((n+1)); done; dd if=/dev/zero of=/var/tmp/rest bs=1M";
/**
 * Each is an inode of the machine's own disk, until it has no more, or for so many seconds: emulated, all 1,310,720 take forty
 * minutes. The last line is how many are gone.
 */
const FILL_INODES = `mkdir /var/tmp/full; free() { df --output=iavail /var/tmp | tail -1; }; before=$(free)
  timeout 60 python3 -c '
import os
for number in range(10**9): os.mknod("/var/tmp/full/%d" % number)'; echo $((before - $(free)))`;

/** What any machine does in a few seconds. */
const REFERENCE = "for i in $(seq 20); do echo $i | sha256sum > ~/sum-$i; done; cat ~/sum-* | wc -l; node -p 6*7";
const DONE = { code: 0, output: "20\n42" };

describe("beside a machine that takes all it can get, another does its work:", () => {
  it("of memory, and the first is lost for want of it", async () => {
    await using other = await provision("beside-memory");
    await using agent = connectAgent(other.agent);
    await using machine = await provision("memory");
    strike(connectAgent(machine.agent), HOG);
    expect(await shell(agent, REFERENCE)).toEqual(DONE);
    expect(await machine.lost).toMatchObject({ cause: "out_of_memory" });
    expect(await shell(agent, REFERENCE)).toEqual(DONE);
  });

  it("of processes, and the first is lost with its cause, within its own memory and its own share of the processor", async () => {
    await using other = await provision("beside-forks");
    await using agent = connectAgent(other.agent);
    {
      await using machine = await provision("forks");
      const lost = lossOf(machine, FORK_BOMB);
      // It is under way.
      await delay(2_000);
      expect(await shell(agent, REFERENCE)).toEqual(DONE);
      const [pid] = await qemuProcesses(`${OWN}forks`);
      const threads = pid === undefined ? [] : await readdir(`/proc/${pid}/task`).catch(() => []);
      expect(threads.length).toBeLessThanOrEqual(256);
      expect(["out_of_memory", "agent_ended", "agent_silent"]).toContain(await lost);
    }
    expect(await qemuProcesses(`${OWN}forks`)).toEqual([]);
    expect(await shell(agent, REFERENCE)).toEqual(DONE);
  });

  it("of its inodes, which are none of the host's, and the first goes on", async () => {
    await using other = await provision("beside-inodes");
    await using agent = connectAgent(other.agent);
    await using machine = await provision("inodes");
    const full = connectAgent(machine.agent);
    const before = await statfs(fixture.options.dataDir);
    const [filled, done] = await Promise.all([shell(full, `set +e; ${FILL_INODES}`, "root"), shell(agent, REFERENCE)]);
    const taken = Number(filled.output.split("\n").at(-1));
    expect(taken).toBeGreaterThan(1_000);
    expect(before.ffree - (await statfs(fixture.options.dataDir)).ffree).toBeLessThan(taken / 2);
    expect(done).toEqual(DONE);
    expect((await shell(full, "echo room > /tmp/some; cat /tmp/some", "root")).output).toBe("room");
  });

  it("of its disk, and the first is told that there is no more, and goes on", async () => {
    await using other = await provision("beside-disk");
    await using agent = connectAgent(other.agent);
    await using machine = await provision("disk");
    const full = connectAgent(machine.agent);
    const [filled, done] = await Promise.all([shell(full, `set +e; ${FILL_DISK}`, "root"), shell(agent, REFERENCE)]);
    expect(filled.output).toContain("No space left on device");
    expect(done).toEqual(DONE);
    expect(
      (await shell(full, "rm -rf /var/tmp/fill-* /var/tmp/rest; echo room > /var/tmp/some; cat /var/tmp/some", "root"))
        .output,
    ).toBe("room");
  });
});

/** How it is lost to `script`, by the engine's own rule: one whose agent gives no sign, and of which nothing else is known, is silent. */
async function lossOf(machine: Machine, script: string): Promise<MachineLoss["cause"]> {
  const known = machine.lost.then(({ cause }) => cause);
  const struck = shell(connectAgent(machine.agent), script, "root").catch((error: unknown) => error);
  const silent = struck.then(async (error) => {
    expect(error).toMatchObject({ code: "MACHINE_LOST" });
    return await Promise.race([known, delay(2_000, "agent_silent" as const)]);
  });
  return await Promise.race([known, silent]);
}

/** The command that strikes goes with the machine. */
function strike(agent: AgentClient, script: string): void {
  shell(agent, script, "root").catch(() => undefined);
}
