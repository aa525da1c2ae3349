/**
 * Machines that are copies of a template, in real QEMU: they are as different as machines that were booted, a template is made
 * once whoever asks for it and whatever is killed meanwhile, and where there can be none the machine is booted and that is said.
 */
import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import type { Machine } from "../../src/provider/provider.ts";
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import { machineSpec, shell } from "./gvisor-fixture.ts";
import type { QemuFixture } from "./qemu-fixture.ts";
import { holdMachine, qemuFixture, qemuLeftovers, qemuProcesses } from "./qemu-fixture.ts";

const { signal } = new AbortController();
const OWN = `template-${process.pid}-`;
const COPIES = 20;
const AT_ONCE = 4;

let fixture: QemuFixture;
let progress: string[] = [];
let machineNumber = 0;

beforeAll(async () => {
  fixture = await qemuFixture();
});
afterAll(async () => fixture[Symbol.asyncDispose]());

const provision = (): Promise<Machine> => {
  progress = [];
  const provider = createQemuProvider({ ...fixture.options, progress: (line) => void progress.push(line) });
  const spec = { ...machineSpec(`${OWN}${++machineNumber}`), cpus: 1, memoryMib: 1024 };
  return provider.provision(spec, signal);
};
const templates = async (): Promise<string[]> =>
  (await readdir(join(fixture.options.dataDir, "templates"))).filter((name) => name !== ".lock");

describe("templates of QEMU machines", () => {
  it("leave nothing when the process that makes one is killed, and the next one makes it", async () => {
    const maker = holdMachine(fixture.options.dataDir, `${OWN}killed`);
    await maker.says("making a template");
    await expect.poll(() => qemuProcesses(`${OWN}killed`), { timeout: 60_000 }).toHaveLength(1);
    maker.kill();
    await expect.poll(() => qemuProcesses(`${OWN}killed`), { timeout: 10_000 }).toEqual([]);
    const next = holdMachine(fixture.options.dataDir, `${OWN}next`);
    await next.says("ready");
    next.kill();
    expect(next.said()).toContain("making a template");
    expect(await templates()).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
    await expect.poll(() => qemuProcesses(`${OWN}next`), { timeout: 10_000 }).toEqual([]);
  });

  it("are made once for processes that ask at the same time", async () => {
    await using own = await qemuFixture();
    const holders = ["a", "b", "c"].map((name) => holdMachine(own.options.dataDir, `${OWN}${name}`));
    await Promise.all(holders.map((holder) => holder.says("ready")));
    const said = holders.map((holder) => holder.said()).join("");
    expect(said.split("making a template, once")).toHaveLength(2);
    expect(said).not.toContain("booted");
    for (const holder of holders) holder.kill();
    await expect.poll(() => qemuProcesses(OWN), { timeout: 10_000 }).toEqual([]);
  });

  it("give copies with numbers, boot ids and files of their own, and the right time", async () => {
    await (await provision())[Symbol.asyncDispose]();
    const seen: string[][] = [];
    const copy = async (): Promise<void> => {
      await using machine = await provision();
      const agent = connectAgent(machine.agent);
      const { bootId } = await agent.ready();
      const script = `cat /proc/sys/kernel/random/uuid; od -An -N16 -tx1 /dev/urandom | tr -d ' '; cat /proc/sys/kernel/random/boot_id
        date +%s; ls /home/runner/work/mine 2>/dev/null || echo none; touch /home/runner/work/mine
        [ "$(df --output=avail --block-size=G / | tail -1 | tr -d ' G')" -ge 18 ]; dd if=/dev/zero of=/var/tmp/some bs=1M count=64 2>/dev/null`;
      const { output, code } = await shell(agent, script, "root");
      const [uuid = "", random = "", boot = "", seconds, mine] = output.split("\n");
      expect([code, mine, boot]).toEqual([0, "none", bootId]);
      expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
      seen.push([uuid, random, boot]);
    };
    for (let done = 0; done < COPIES; done += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, copy));
    expect(progress).toEqual([]);
    for (const index of [0, 1, 2]) expect(new Set(seen.map((values) => values[index])).size).toBe(COPIES);
  });

  it("stay as they were, whatever their copies write", async () => {
    const [key = ""] = await templates();
    const before = await timesOf(join(fixture.options.dataDir, "templates", key));
    await using machine = await provision();
    await shell(connectAgent(machine.agent), "head -c 200M /dev/zero > /dev/shm/filled; sync", "root");
    expect(await timesOf(join(fixture.options.dataDir, "templates", key))).toEqual(before);
    expect(await fileModes(join(fixture.options.dataDir, "templates", key))).toEqual(["600"]);
  });

  it("are made anew when they turn out to be damaged, and the machine is booted meanwhile", async () => {
    for (const key of await templates()) {
      await writeFile(join(fixture.options.dataDir, "templates", key, "state"), "damaged");
    }
    await using machine = await provision();
    expect(progress).toEqual([expect.stringMatching(/^machine: booted, not copied from a template: Cannot start/)]);
    expect((await shell(connectAgent(machine.agent), "echo here")).output).toBe("here");
    await using next = await provision();
    expect(progress).toEqual([expect.stringContaining("making a template")]);
    expect(next.isolation).toBe(machine.isolation);
  });

  it("leave nothing on the host but themselves", async () => {
    expect(await qemuLeftovers(fixture.options.dataDir, OWN)).toEqual([]);
    // Only root has accounts to give.
    const accounts = await readdir(join(fixture.options.dataDir, "accounts")).catch(() => []);
    expect(accounts.filter((name) => name !== ".lock")).toEqual([]);
    const names = await Promise.all(
      (await templates()).map((key) => readdir(join(fixture.options.dataDir, "templates", key))),
    );
    // Where copies cannot share a file, the memory is in the state.
    for (const files of names) {
      expect(files.filter((name) => name !== "memory").toSorted()).toEqual(["scratch", "state", "template.json"]);
    }
  });
});

async function fileModes(directory: string): Promise<string[]> {
  const modes = await Promise.all(
    (await readdir(directory)).map(async (name) => ((await stat(join(directory, name))).mode & 0o777).toString(8)),
  );
  return [...new Set(modes)];
}

/** When each file's content was last written. */
async function timesOf(directory: string): Promise<Record<string, number>> {
  const names = ["memory", "scratch", "state"];
  const times = names.map(async (name) => [
    name,
    await stat(join(directory, name)).then(
      (file) => file.mtimeMs,
      () => 0,
    ),
  ]);
  return Object.fromEntries(await Promise.all(times));
}
