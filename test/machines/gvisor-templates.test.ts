/**
 * Machines that are copies of a template, in real gVisor: they are as different as machines that were started from nothing, a
 * template is made once whoever asks for it and whatever is killed meanwhile, and where it is of no use the machine is started from
 * nothing and that is said. And a sandbox that is saved can go on.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentClient } from "../../src/protocol/agent-client.ts";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { saveSandbox } from "../../src/provider/gvisor/checkpoint.ts";
import { openDoor } from "../../src/provider/gvisor/guest-door.ts";
import { leftovers, processesOf } from "../../src/provider/gvisor/leftovers.ts";
import type { GvisorSettings } from "../../src/provider/gvisor/prepare.ts";
import { prepare } from "../../src/provider/gvisor/prepare.ts";
import { gvisorProvider, prepareTemplate } from "../../src/provider/gvisor/provider.ts";
import { startMachine } from "../../src/provider/gvisor/start-machine.ts";
import type { StartedMachine } from "../../src/provider/gvisor/start-machine.ts";
import type { Machine, MachineSpec } from "../../src/provider/provider.ts";
import type { GvisorFixture } from "./gvisor-fixture.ts";
import { dataDir as hostDataDir, gvisorFixture, machineSpec, shell } from "./gvisor-fixture.ts";

const { signal } = new AbortController();
const COPIES = 20;
const AT_ONCE = 4;

let fixture: GvisorFixture;
/** A place of its own for everything but the image and runsc. */
let dataDir: string;
let settings: GvisorSettings;
let progress: string[] = [];
let machineNumber = 0;

beforeAll(async () => {
  fixture = await gvisorFixture();
  // On the disk of the images, whose tools are shown as well.
  dataDir = await mkdtemp(join(dirname(hostDataDir), "hearth-test-templates-"));
  for (const name of ["images", "bin", "tools"]) await symlink(join(hostDataDir, name), join(dataDir, name));
  settings = { ...fixture.settings, dataDir, progress: (line) => void progress.push(line) };
});
afterAll(async () => {
  await rm(dataDir, { recursive: true });
  await fixture[Symbol.asyncDispose]();
});

const provision = (changes: Partial<MachineSpec> = {}): Promise<Machine> => {
  progress = [];
  return gvisorProvider(settings).provision({ ...machineSpec(`copy-${++machineNumber}`), ...changes }, signal);
};
const templates = async (): Promise<string[]> =>
  (await readdir(join(dataDir, "templates"))).filter((name) => name !== ".lock");
const inTemplate = (key: string, name: string): string => join(dataDir, "templates", key, name);

interface Holder {
  says(words: string): Promise<void>;
  said(): string;
  kill(): Promise<void>;
}

/** A process of its own that provisions a machine, to be killed. */
function hold(id: string): Holder {
  const script = join(import.meta.dirname, "hold-machine.ts");
  const { runDir } = fixture.settings;
  const holder: ChildProcess = spawn(process.execPath, [script, runDir, id, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  holder.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return {
    says: async (words) => expect.poll(() => said, { timeout: 60_000 }).toContain(words),
    said: () => said,
    async kill() {
      holder.kill("SIGKILL");
      if (holder.exitCode === null && holder.signalCode === null) await once(holder, "exit");
      const directory = join(runDir, id);
      await expect.poll(() => processesOf(directory), { timeout: 10_000 }).toEqual([]);
      // The next machine of anybody would sweep it up.
      await rm(directory, { recursive: true, force: true });
    },
  };
}

describe("templates of gVisor machines", () => {
  it("leave nothing when the process that makes one is killed, and the next one makes it", async () => {
    const maker = hold("killed");
    await maker.says("making a template");
    await expect.poll(() => processesOf(join(settings.runDir, "killed")), { timeout: 60_000 }).not.toEqual([]);
    await maker.kill();
    const next = hold("next");
    await next.says("ready");
    expect(next.said()).toBe("machine: making a template, once\nready\n");
    expect(await templates()).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
    await next.kill();
  });

  it("are made once for processes that ask at the same time", async () => {
    for (const key of await templates()) await rm(inTemplate(key, "."), { recursive: true });
    const holders = ["a", "b", "c"].map((name) => hold(name));
    await Promise.all(holders.map((holder) => holder.says("ready")));
    const said = holders.map((holder) => holder.said()).join("");
    expect(said.split("making a template, once")).toHaveLength(2);
    expect(said).not.toContain("started, not copied");
    for (const holder of holders) await holder.kill();
  });

  it("give copies with numbers, boots and files of their own, the right time, and all of the disk", async () => {
    await prepareTemplate(settings, machineSpec("ahead"), signal);
    const seen: string[][] = [];
    const copy = async (): Promise<void> => {
      await using machine = await provision();
      await using agent = connectAgent(machine.agent);
      const { bootId } = await agent.ready();
      const script = `cat /proc/sys/kernel/random/uuid; od -An -N16 -tx1 /dev/urandom | tr -d ' '
        /opt/externals/node24/bin/node -p 'crypto.randomUUID()'; cat /proc/sys/kernel/random/boot_id; date +%s.%N
        ls /root/mine /home/runner/work/mine /dev/shm/mine 2>/dev/null || echo none; touch /root/mine /home/runner/work/mine /dev/shm/mine
        [ "$(df --output=size --block-size=M / | tail -1 | tr -d ' M')" -ge 1024 ]; dd if=/dev/zero of=/var/tmp/some bs=1M count=64 2>/dev/null`;
      const { output, code } = await shell(agent, script, "root");
      const [uuid = "", random = "", made = "", boot, seconds, mine] = output.split("\n");
      expect([code, mine, boot]).toEqual([0, "none", bootId]);
      expect(Math.abs(Number(seconds) - Date.now() / 1000)).toBeLessThan(60);
      seen.push([uuid, random, made, bootId]);
    };
    progress = [];
    for (let done = 0; done < COPIES; done += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, copy));
    expect(progress).toEqual([]);
    for (const index of [0, 1, 2, 3]) expect(new Set(seen.map((values) => values[index])).size).toBe(COPIES);
    expect(seen.flat().every((value) => /^[0-9a-f-]{32,36}$/.test(value))).toBe(true);
    expect(await readdir(join(dataDir, "overlays"))).toEqual([]);
  });

  it("have an agent that draws no numbers from what its copies share", async () => {
    // A glob pattern's placeholders are `Math.random`'s, and nothing's secret.
    const drawing = /randomBytes|randomUUID|randomFill|randomInt|getRandomValues|generateKey/;
    expect(await readFile(settings.agentBundle, "utf8")).not.toMatch(drawing);
    expect("const id = crypto.randomUUID()").toMatch(drawing);
  });

  it("give copies the services' address and the proxy", async () => {
    await using machine = await provision();
    await using agent = connectAgent(machine.agent);
    const script = `for place in 10.77.0.1/9009 127.0.0.1/3128; do (exec 3<>/dev/tcp/$place) && echo "$place"; done`;
    expect(await shell(agent, script)).toEqual({ code: 0, output: "10.77.0.1/9009\n127.0.0.1/3128" });
  });

  it("stay as they were, whatever their copies write", async () => {
    const [key = ""] = await templates();
    const before = await readFile(inTemplate(key, "pages.img"));
    {
      await using machine = await provision();
      await using agent = connectAgent(machine.agent);
      await shell(agent, "head -c 100M /dev/zero > /dev/shm/filled; echo changed > /etc/hostname; sync", "root");
    }
    expect(before.equals(await readFile(inTemplate(key, "pages.img")))).toBe(true);
    expect((await stat(inTemplate(key, "."))).mode & 0o777).toBe(0o700);
  });

  it("are one for each kind of machine", async () => {
    const before = (await templates()).length;
    await (await provision({ memoryMib: 640 }))[Symbol.asyncDispose]();
    expect(progress).toEqual(["machine: making a template, once"]);
    await (await provision({ memoryMib: 640 }))[Symbol.asyncDispose]();
    expect(progress).toEqual([]);
    expect(await templates()).toHaveLength(before + 1);
  });

  it("are made anew when they turn out to be damaged, and the machine is started from nothing meanwhile", async () => {
    for (const key of await templates()) await writeFile(inTemplate(key, "checkpoint.img"), "damaged");
    {
      await using machine = await provision();
      await using agent = connectAgent(machine.agent);
      expect(progress).toEqual([expect.stringMatching(/^machine: started, not copied from a template: Cannot start/)]);
      expect((await shell(agent, "echo here")).output).toBe("here");
    }
    await using next = await provision();
    expect(progress).toEqual(["machine: making a template, once"]);
    expect(next.isolation).toBe("sandbox (gVisor)");
  });
});

describe("a sandbox that is saved", () => {
  it("goes on, and what is made of it is what it was, with a boot id of its own", async () => {
    const saveIn = join(dataDir, "saved");
    await mkdir(saveIn);
    const request = { settings, prepared: await prepare(settings, machineSpec("saved")), signal };
    const { runsc } = request.prepared;
    const bootIds: string[] = [];
    const look = async (stream: Machine["agent"], script: string): Promise<string> => {
      await using agent: AgentClient = connectAgent(stream);
      bootIds.push((await agent.ready()).bootId);
      return (await shell(agent, script, "root")).output;
    };
    await using original = await startMachine({ ...request, spec: machineSpec("saved") }, undefined);
    const counting = "(i=0; while :; do echo $((i += 1)) > /tmp/count; sleep 0.05; done) >/dev/null 2>&1 &";
    await look(original.agent, `setsid bash -c '${counting}'; echo before > /root/file`);
    expect(await saveSandbox(original, { runsc, saveIn, signal })).toBeUndefined();
    const [agent, egress] = await doorsOf(original);
    await using streams = new AsyncDisposableStack();
    streams.defer(() => void egress.destroy());
    expect(await look(agent, "cat /root/file; echo after > /root/file")).toBe("before");
    await using copy = await startMachine({ ...request, spec: machineSpec("saved-copy") }, saveIn);
    const moves = `cat /root/file; first=$(cat /tmp/count); for i in $(seq 200); do [ "$(cat /tmp/count)" -gt $first ] && break; sleep 0.05; done; echo $i`;
    const [file, tries] = (await look(copy.agent, moves)).split("\n");
    expect(file).toBe("before");
    expect(Number(tries)).toBeLessThan(200);
    expect(bootIds[1]).toBe(bootIds[0]);
    expect(bootIds[2]).not.toBe(bootIds[0]);
    await rm(saveIn, { recursive: true });
  });

  it("leaves nothing on the host", async () => {
    expect(await leftovers(settings.runDir)).toEqual([]);
    expect(await readdir(join(dataDir, "overlays"))).toEqual([]);
    for (const key of await templates()) {
      const names = await readdir(inTemplate(key, "."));
      expect(names.toSorted()).toEqual(["checkpoint.img", "pages.img", "pages_meta.img", "template.json"]);
    }
  });
});

async function doorsOf({ directory }: StartedMachine) {
  const doors = await Promise.all([openDoor(directory.agentSocket), openDoor(directory.egressSocket)]);
  return Promise.all([doors[0].entered, doors[1].entered]);
}
