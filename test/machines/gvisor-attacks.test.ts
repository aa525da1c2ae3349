/** A28 to A33 of SECURITY-RELIABILITY on real gVisor: what hostile work reaches from inside, and what it leaves behind. */
import { readFile, readdir, readlink, realpath } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { findImage } from "../../src/image/image-store.ts";
import { runCommand } from "../../src/lib/run-command.ts";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { leftovers, processesOf } from "../../src/provider/gvisor/leftovers.ts";
import { gvisorProvider } from "../../src/provider/gvisor/provider.ts";
import type { GvisorFixture } from "./gvisor-fixture.ts";
import { dataDir, gvisorFixture, machineSpec, shell } from "./gvisor-fixture.ts";
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

let fixture: GvisorFixture;
beforeAll(async () => {
  fixture = await gvisorFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());
afterEach(async () => {
  const left = await leftovers(fixture.settings.runDir);
  if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
});

const provision = async (id: string) =>
  gvisorProvider(fixture.settings).provision(machineSpec(id), new AbortController().signal);

describe("from inside a sandbox", () => {
  it("nothing is open but the proxy and the services, whatever address or port is tried", async () => {
    await using listeners = await hostListeners();
    // What a hole would find is there.
    const socket = connect(listeners.tcpPort, "127.0.0.1");
    await new Promise((resolve) => socket.once("close", resolve).resume());
    expect(listeners.heard).toHaveLength(1);

    await using machine = await provision("scan");
    await using agent = connectAgent(machine.agent);
    expect(await interfaces(agent)).toEqual(["lo"]);
    // The guest's own address in its other form is the guest's own.
    const mapped = "::ffff:127.0.0.1:3128";
    expect((await openPlaces(agent, listeners)).filter((place) => place !== mapped)).toEqual(OWN_DOORS);
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
    await shell(agent, script, "root");
    expect((await openPlaces(agent, listeners)).filter((place) => !place.startsWith("::ffff:127."))).toEqual(OWN_DOORS);
    expect(await datagramAnswers(agent, listeners)).toEqual([]);
    expect(listeners.heard).toEqual([]);
  });
});

describe("the sandbox's processes on the host", () => {
  it("have their own network, filters on system calls, and no way to more rights", async () => {
    await using machine = await provision("confined");
    const all = await processesOf(join(fixture.settings.runDir, machine.id));
    const confined = all.filter(({ arguments: text }) => /^runsc-(sandbox|gofer)/.test(text));
    expect(new Set(confined.map(({ arguments: text }) => text.split(" ")[0]))).toEqual(
      new Set(["runsc-gofer", "runsc-sandbox"]),
    );
    const ownNetwork = await readlink("/proc/self/ns/net");
    for (const { pid } of confined) {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1];
      expect(field("NoNewPrivs")).toBe("1");
      expect(field("Seccomp")).toBe("2");
      // None to load modules, trace the kernel, mount, or change the network: CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_MODULE, CAP_BPF.
      const capabilities = BigInt(`0x${field("CapEff") ?? "ff"}`);
      for (const bit of [21n, 12n, 16n, 39n]) expect(capabilities & (1n << bit)).toBe(0n);
      expect(await readlink(`/proc/${pid}/ns/net`)).not.toBe(ownNetwork);
    }
  });
});

describe("between runs", () => {
  it("nothing is left of what the first wrote to every place it could write", async () => {
    const canary = `canary-${process.pid}-${Date.now()}`;
    {
      await using machine = await provision("first");
      await using agent = connectAgent(machine.agent);
      expect(await plantCanaries(agent, canary)).toBeGreaterThan(1000);
      // The search finds what is there.
      expect((await findCanaries(agent, canary)).length).toBeGreaterThan(1000);
    }
    await using machine = await provision("first");
    await using agent = connectAgent(machine.agent);
    expect(await findCanaries(agent, canary)).toEqual([]);
    const image = await findImage(dataDir);
    for (const place of [image?.directory ?? "", join(dataDir, "overlays"), fixture.settings.runDir]) {
      expect(await runCommand(["find", place, "-name", `${canary}*`])).toMatchObject({ code: 0, stdout: "" });
    }
  });

  it("the host has as many descriptors, mounts, network namespaces and cgroups of ours as at the start", async () => {
    {
      // What this process opens once for all machines is open after the first.
      await using machine = await provision("turn-0");
      await using agent = connectAgent(machine.agent);
      expect((await shell(agent, "true")).code).toBe(0);
      expect(await networksBelow(process.pid)).toBeGreaterThan(1);
    }
    const before = await countOnHost();
    for (let turn = 1; turn <= 10; turn += 1) {
      await using machine = await provision(`turn-${turn}`);
      await using agent = connectAgent(machine.agent);
      expect((await shell(agent, "sudo true")).code).toBe(0);
    }
    expect(await countOnHost()).toEqual(before);
  });
});

async function countOnHost(): Promise<Readonly<Record<string, number>>> {
  return {
    descriptors: (await readdir("/proc/self/fd")).length,
    mounts: await mountsOf(fixture.settings.runDir),
    networks: await networksBelow(process.pid),
    cgroups: await cgroupsOf("turn-"),
  };
}

async function mountsOf(directory: string): Promise<number> {
  const text = await readFile("/proc/self/mountinfo", "utf8");
  const real = await realpath(directory);
  return text.split("\n").filter((line) => line.includes(real)).length;
}

/** Distinct ones of this process and all that descend from it: other tests may run on this host. */
async function networksBelow(root: number): Promise<number> {
  const found = new Set<string>();
  const look = async (pid: number): Promise<void> => {
    found.add(await readlink(`/proc/${pid}/ns/net`).catch(() => "gone"));
    // A child belongs to the thread that made it.
    for (const thread of await readdir(`/proc/${pid}/task`).catch(() => [])) {
      const children = await readFile(`/proc/${pid}/task/${thread}/children`, "utf8").catch(() => "");
      for (const child of children.split(" ").filter(Boolean)) await look(Number(child));
    }
  };
  await look(root);
  found.delete("gone");
  return found.size;
}

async function cgroupsOf(prefix: string): Promise<number> {
  const roots = Object.values(fixture.settings.cgroups?.directories ?? {});
  const names = await Promise.all(roots.map((root) => readdir(join(root, "hearth")).catch(() => [])));
  return names.flat().filter((name) => name.startsWith(prefix)).length;
}
