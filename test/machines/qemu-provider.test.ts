/**
 * The provider contract on real QEMU, emulated wherever it runs so that every host tests the same, and what only a real virtual
 * machine can show: what the guest cannot reach or change, how its loss is told, and that nothing is left on the host whatever
 * is killed (SECURITY-RELIABILITY A28, A31, F05, F06).
 */
import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Readable } from "node:stream";
import { packTar } from "modern-tar";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentClient } from "../../src/protocol/agent-client.ts";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { providerContract } from "../../src/provider/provider.contract.ts";
import type { Machine } from "../../src/provider/provider.ts";
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import { machineSpec, shell } from "./gvisor-fixture.ts";
import type { QemuFixture } from "./qemu-fixture.ts";
import { holdMachine, qemuFixture, qemuLeftovers, qemuProcesses } from "./qemu-fixture.ts";

let fixture: QemuFixture;
const { signal } = new AbortController();
const CONTRACT = `contract-${process.pid}-`;
const OWN = `test-${process.pid}-`;

/** No capability, as /proc shows it. */
const NONE = "0000000000000000";
/** It may have ended by itself. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Nothing may end it: what the kernel then takes is everything else. */
const HOG = "echo -1000 > /proc/self/oom_score_adj; exec tail /dev/zero";

beforeAll(async () => {
  fixture = await qemuFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());

providerContract("qemu, emulated", {
  create: async () => createQemuProvider(fixture.options),
  leftovers: () => qemuLeftovers(fixture.options.dataDir, CONTRACT),
  kill: async (machine) => {
    for (const pid of await qemuProcesses(machine.id)) process.kill(pid, "SIGKILL");
  },
});

describe("a QEMU machine", () => {
  it("is lost with its cause when it is killed before it has answered", async () => {
    const id = `${OWN}unborn`;
    const outcome = createQemuProvider(fixture.options)
      .provision(machineSpec(id), signal)
      .catch((error: unknown) => error);
    const isOver = outcome.then(() => true);
    // One that is saved as a template, or copied from one, is made again.
    while (!(await Promise.race([isOver, delay(50, false)]))) {
      for (const pid of await qemuProcesses(id)) kill(pid);
    }
    expect(await outcome).toMatchObject({ code: "MACHINE_START_FAILED", loss: { cause: "killed" } });
    expect(await qemuLeftovers(fixture.options.dataDir, id)).toEqual([]);
  });

  describe("once started", () => {
    const pem = "-----BEGIN CERTIFICATE-----\nhearth-test-authority\n-----END CERTIFICATE-----";
    let machine: Machine;
    let agent: AgentClient;
    let root: (script: string) => ReturnType<typeof shell>;
    let runner: (script: string) => ReturnType<typeof shell>;
    beforeAll(async () => {
      const spec = { ...machineSpec(`${OWN}1`), certificateAuthorities: pem };
      machine = await createQemuProvider(fixture.options).provision(spec, signal);
      agent = connectAgent(machine.agent);
      root = (script) => shell(agent, script, "root");
      runner = (script) => shell(agent, script);
    });
    afterAll(async () => {
      await machine[Symbol.asyncDispose]();
    });

    it("is a Linux with a user, sudo, the image's name and GitHub's layout, and says what it is", async () => {
      expect(machine.isolation).toBe("microVM (QEMU, emulated: not a security boundary)");
      expect(machine.layout.work).toBe("/home/runner/work");
      const script = `id --user --name; sudo id --user; hostname; getent hosts $(hostname) >/dev/null
        ls /opt/externals/node24/bin/node; touch ${machine.layout.toolCache}/mine ${machine.layout.work}/mine /tmp/mine
        nproc; [ $(awk '/MemTotal/ { print $2 }' /proc/meminfo) -gt 1900000 ]; [ $(df --output=avail --block-size=G / | tail -1 | tr -d G) -ge 18 ]`;
      const { code, output } = await runner(script);
      expect(output.split("\n")).toEqual(["runner", "0", "hearth", "/opt/externals/node24/bin/node", "2"]);
      expect(code).toBe(0);
    });

    it("has the right time, and numbers nobody can guess", async () => {
      const { output } = await root("date +%s; cat /sys/class/misc/hw_random/rng_current");
      const [seconds, source] = output.split("\n");
      expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
      expect(source).toMatch(/^virtio_rng/);
    });

    it("has no way out but its ports", async () => {
      const script = `ls /sys/class/net
        for address in 1.1.1.1/53 169.254.169.254/80 10.0.2.2/80; do
          (exec 3<>/dev/tcp/$address) 2>/dev/null && echo "reached $address"
        done
        cat /sys/class/virtio-ports/*/name; ls /dev/kvm /var/run/docker.sock 2>/dev/null || true`;
      expect(await root(script)).toEqual({ code: 0, output: "lo\nagent\negress\nfixup" });
    });

    it("cannot write to the disks it shares with others, even as root", async () => {
      const script = `for disk in /sys/block/vd*; do
          serial=$(cat $disk/serial)
          [ $serial = scratch ] || { blockdev --setrw /dev/\${disk##*/}; echo x | dd of=/dev/\${disk##*/} conv=fsync 2>/dev/null || echo "$serial kept"; }
        done`;
      const { output } = await root(script);
      expect(output.split("\n").toSorted()).toEqual(["externals kept", "input kept", "root kept"]);
    });

    it("takes bulk input as the host wrote it, whatever in it has looked at the disk before, and keeps it to root", async () => {
      const device = "/dev/disk/by-id/virtio-input";
      expect(await runner(`head -c 1 ${device} 2>&1 || true`)).toMatchObject({ output: /denied/ });
      // What the guest has read stays in its memory for as long as somebody has the disk open.
      const look =
        "exec 3< $0; dd bs=1M count=64 of=/dev/null <&3 2>/dev/null; sleep 1000 <&3 >/dev/null 2>&1 & echo $!";
      const { output: holder } = await root(look.replace("$0", device));
      const body = randomBytes(8 << 20);
      const input = await machine.bulk?.write(
        Readable.from([await packTar([{ header: { name: "f", size: body.length }, body }])]),
      );
      if (input === undefined) throw new Error("there is no room on this host");
      const cached = await root(
        `dd if=${device} bs=1M skip=${input.offsetBytes >> 20} count=8 2>/dev/null | tr -d '\\0' | wc -c`,
      );
      expect(cached.output).toBe("0");
      await agent.unpackInput("/home/runner/work/_temp/input", input, signal);
      const { output } = await runner("sha256sum /home/runner/work/_temp/input/f | cut -d' ' -f1");
      expect(output).toBe(createHash("sha256").update(body).digest("hex"));
      await root(`kill ${holder}`);
    });

    it("trusts the certificate authorities it was given, beside its own", async () => {
      const file = "/etc/ssl/certs/ca-certificates.crt";
      const { output } = await runner(`grep --count 'BEGIN CERT' ${file}; tail -2 ${file} | head -1`);
      const [count, last] = output.split("\n");
      expect(Number(count)).toBeGreaterThan(50);
      expect(last).toBe("hearth-test-authority");
    });

    it("runs in a QEMU without rights: an account of its own, no capability, no way to gain one, and its sandbox on", async () => {
      const [pid] = await qemuProcesses(machine.id);
      const status = await statusOf(pid);
      expect(status).toMatchObject({ NoNewPrivs: "1", Seccomp: "2", CapEff: NONE, CapPrm: NONE, CapInh: NONE });
      if (process.getuid?.() !== 0) return;
      expect(status).toMatchObject({ CapBnd: NONE, Groups: "" });
      expect(status["Uid"]).toMatch(/^(\d{10})\t\1\t\1\t\1$/);
      await using other = await createQemuProvider(fixture.options).provision(machineSpec(`${OWN}2`), signal);
      const [otherPid] = await qemuProcesses(other.id);
      expect((await statusOf(otherPid))["Uid"]).not.toBe(status["Uid"]);
    });

    it("is not lost when a step takes all of its memory: the kernel ends the step", async () => {
      expect(await runner("tail /dev/zero || exit $?")).toMatchObject({ code: 137 });
      expect((await runner("echo still here")).output).toBe("still here");
    });

    it("is lost, with the kernel's own words, when its kernel panics", async () => {
      const panicking = root("echo c > /proc/sysrq-trigger").catch((error: unknown) => error);
      const { cause, reason, console } = await machine.lost;
      expect(cause).toBe("kernel_panic");
      expect(reason).toBe("the guest's kernel panicked (sysrq triggered crash)");
      expect(console).toContain("Kernel panic - not syncing");
      expect(console.length).toBeLessThanOrEqual(4096);
      expect(await panicking).toMatchObject({ code: "MACHINE_LOST" });
    });
  });

  it.each([
    ["agent_ended", "when its agent is killed", "pkill -KILL -f hearth/agent.mjs"],
    ["out_of_memory", "when the kernel has nothing left but its agent to kill", HOG],
  ] as const)("is lost with the cause %s %s", async (cause, _when, script) => {
    await using machine = await createQemuProvider(fixture.options).provision(
      machineSpec(`${OWN}${cause.slice(0, 3)}`),
      signal,
    );
    const agent = connectAgent(machine.agent);
    const ended = shell(agent, script, "root").catch((error: unknown) => error);
    expect(await machine.lost).toMatchObject({ cause });
    expect(await ended).toMatchObject({ code: "MACHINE_LOST" });
  });

  it("is lost with the cause killed when QEMU is", async () => {
    await using machine = await createQemuProvider(fixture.options).provision(machineSpec(`${OWN}killed`), signal);
    for (const pid of await qemuProcesses(machine.id)) process.kill(pid, "SIGKILL");
    expect(await machine.lost).toMatchObject({ cause: "killed", reason: "QEMU was killed by SIGKILL" });
  });

  it("does not start when its agent ends at once, and says what the console said", async () => {
    const agentBundle = join(fixture.options.dataDir, "broken-agent.js");
    await writeFile(agentBundle, 'console.error("cannot go on"); process.exit(3);');
    const provider = createQemuProvider({ ...fixture.options, agentBundle });
    await expect(provider.provision(machineSpec(`${OWN}broken`), signal)).rejects.toMatchObject({
      code: "MACHINE_START_FAILED",
      message: expect.stringMatching(/the agent ended.*cannot go on/s),
    });
  });

  it("needs an image, and says which command makes it", async () => {
    const provider = createQemuProvider({ ...fixture.options, dataDir: join(fixture.options.dataDir, "empty") });
    expect(await provider.probe()).toMatchObject({ ok: false, fix: "hearth setup qemu" });
    await expect(provider.provision(machineSpec(`${OWN}imageless`), signal)).rejects.toMatchObject({
      code: "IMAGE_MISSING",
      hint: "hearth image build",
    });
  });

  it("dies with the process that made it, even when that one is killed", async () => {
    const holder = holdMachine(fixture.options.dataDir, `${OWN}orphan`);
    await holder.says("ready");
    expect(await qemuProcesses(`${OWN}orphan`)).toHaveLength(1);
    holder.kill();
    await expect.poll(() => qemuProcesses(`${OWN}orphan`), { timeout: 10_000 }).toEqual([]);
  });

  it("leaves nothing, after all of this", async () => {
    expect(await qemuLeftovers(fixture.options.dataDir, OWN)).toEqual([]);
  });
});

async function statusOf(pid: number | undefined): Promise<Record<string, string>> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Object.fromEntries(
    text
      .split("\n")
      .flatMap((line) => [/^(\w+):\s*(.*?)\s*$/.exec(line)?.slice(1) ?? []])
      .filter(isPair),
  );
}

function isPair(pair: string[]): pair is [string, string] {
  return pair.length === 2;
}
