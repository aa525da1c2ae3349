/**
 * What is saved of a real QEMU machine, emulated wherever it runs: the contract, and what only QEMU's can show. Nothing is left by a
 * save that fails, whatever ends it and when (SECURITY-RELIABILITY A28, F05).
 */
import { readdirSync, statSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { performServerHandshake } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { packTar } from "modern-tar";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { runCommand } from "../../src/lib/run-command.ts";
import type { AgentClient } from "../../src/protocol/agent-client.ts";
import { connectAgent } from "../../src/protocol/connect-agent.ts";
import { checkpointContract } from "../../src/provider/checkpoint.contract.ts";
import type { AfterSave, Machine, MachineSpec } from "../../src/provider/provider.ts";
import { createQemuProvider } from "../../src/provider/qemu/provider.ts";
import { machineSpec, shell } from "./gvisor-fixture.ts";
import type { QemuFixture } from "./qemu-fixture.ts";
import { qemuFixture, qemuLeftovers, qemuProcesses } from "./qemu-fixture.ts";

const { signal } = new AbortController();
const CONTRACT = `contract-${process.pid}-s`;
const OWN = `save-${process.pid}-`;

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

describe("a QEMU machine that is saved", () => {
  let saves: string;
  let machineNumber = 0;
  const spec = (): MachineSpec => ({ ...machineSpec(`${OWN}${++machineNumber}`), cpus: 1, memoryMib: 1024 });
  const provision = (): Promise<Machine> => createQemuProvider(fixture.options).provision(spec(), signal);
  const restore = async (directory: string): Promise<Machine> => {
    const machine = await createQemuProvider(fixture.options).restore?.(spec(), directory, signal);
    if (machine === undefined) throw new Error("it cannot restore");
    return machine;
  };
  const emptyDirectory = (): Promise<string> => mkdtemp(join(saves, "save-"));

  beforeAll(async () => {
    saves = await mkdtemp(join(tmpdir(), "hearth-qemu-saves-"));
    // So that no test has to wait for the template.
    await (await provision())[Symbol.asyncDispose]();
  });
  afterAll(async () => rm(saves, { recursive: true }));
  afterEach(async () => {
    const left = await qemuLeftovers(fixture.options.dataDir, OWN);
    if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
  });

  it.each<[string, (directory: string) => boolean]>([
    ["when it has only been told to", () => true],
    ["when its socket is there", () => readdirSync(machinesOf(fixture)).some((name) => name.startsWith(".state-"))],
    ["when the first of its memory is written", (directory) => sizeOf(join(directory, "state")) > 0],
    ["when half of its memory is written", (directory) => sizeOf(join(directory, "state")) > 60_000_000],
    ["when its disk is being copied", (directory) => sizeOf(join(directory, "scratch.tar")) >= 0],
  ])("leaves nothing when QEMU is killed %s", async (_when, isNow) => {
    await using machine = await provision();
    const directory = await emptyDirectory();
    const pids = await qemuProcesses(machine.id);
    const outcome = save(machine, directory).catch((error: unknown) => error);
    await untilTrue(() => isNow(directory));
    for (const pid of pids) process.kill(pid, "SIGKILL");
    expect(await outcome).toMatchObject({
      code: "MACHINE_LOST",
      message: expect.stringContaining("killed by SIGKILL"),
    });
    expect(await machine.lost).toMatchObject({ cause: "killed" });
    expect(await readdir(directory)).toEqual([]);
    await machine[Symbol.asyncDispose]();
  });

  it("goes on under another account, with bulk input of its own", async () => {
    await using machine = await provision();
    const directory = await emptyDirectory();
    expect(await bring(machine, connectAgent(machine.agent), "before")).toBe("before");
    await save(machine, directory);
    await using restored = await restore(directory);
    expect(await bring(restored, connectAgent(restored.agent), "after!")).toBe("after!");
    const owners = await Promise.all([machine, restored].map(({ id }) => ownerOf(id)));
    expect(new Set(owners).size).toBe(process.getuid?.() === 0 ? 2 : 1);
    expect(await readdir(directory)).toEqual(["identity.json", "scratch.tar", "state"]);
    await Promise.all([restored, machine].map((one) => one[Symbol.asyncDispose]()));
  });

  it("answers anew though its streams were full in both directions", async () => {
    await using machine = await provision();
    const agent = connectAgent(machine.agent);
    const { env } = await agent.ready();
    const request = { id: "endless", argv: ["cat", "/dev/zero"], env, cwd: "/", user: "runner" as const };
    const started = Promise.withResolvers<void>();
    const outward = agent.exec({ ...request, write: [], read: [] }, () => started.resolve());
    const inward = agent.unpack("/home/runner/work/_temp/endless", endless());
    const ended = Promise.allSettled([outward, inward]);
    await started.promise;
    const directory = await emptyDirectory();
    const after = await save(machine, directory);
    expect(after.failure).toBeUndefined();
    for (const { status } of await ended) expect(status).toBe("rejected");
    expect((await shell(connectAgent(after.agent), "pgrep -x cat || echo none")).output).toBe("none");
    await using restored = await restore(directory);
    expect((await shell(connectAgent(restored.agent), "pgrep -x cat || echo none")).output).toBe("none");
    await Promise.all([restored, machine].map((one) => one[Symbol.asyncDispose]()));
  });

  it("carries requests from inside on the stream that took the other's place", async () => {
    await using machine = await provision();
    const directory = await emptyDirectory();
    const after = await save(machine, directory);
    await using restored = await restore(directory);
    for (const [agent, egress] of [
      [after.agent, after.egress],
      [restored.agent, restored.egress],
    ]) {
      if (agent === undefined || egress === undefined) throw new Error("a stream is missing");
      const session = performServerHandshake(egress);
      session.on("stream", (stream) => {
        stream.respond({ ":status": 200 });
        stream.end("HTTP/1.1 200 OK\r\nContent-Length: 19\r\nConnection: close\r\n\r\nhello from the host");
      });
      const asked = "curl --silent --max-time 60 http://10.77.0.1:9009/";
      expect((await shell(connectAgent(agent), asked)).output).toBe("hello from the host");
      session.destroy();
    }
    await Promise.all([restored, machine].map((one) => one[Symbol.asyncDispose]()));
  });

  it("runs on, and says why, when the disk is full", async (context) => {
    if (process.getuid?.() !== 0) context.skip("only root can make a small disk");
    await using machine = await provision();
    const directory = await emptyDirectory();
    await runCommand(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", directory]);
    try {
      const { agent, failure } = await save(machine, directory);
      expect(failure).toMatch(/could not be (saved|copied): .*No space left on device/);
      expect(await readdir(directory)).toEqual([]);
      expect((await shell(connectAgent(agent), "echo here")).output).toBe("here");
    } finally {
      await runCommand(["umount", directory]);
    }
    const { failure } = await save(machine, directory);
    expect(failure).toBeUndefined();
    await using restored = await restore(directory);
    expect((await shell(connectAgent(restored.agent), "echo here")).output).toBe("here");
    await Promise.all([restored, machine].map((one) => one[Symbol.asyncDispose]()));
  });

  it("runs on, and says why, when what sets copies right is gone from the guest, at once the second time", async () => {
    await using machine = await provision();
    const directory = await emptyDirectory();
    await shell(connectAgent(machine.agent), "pkill -KILL -f hearth/fix-up.pl", "root");
    const first = await save(machine, directory);
    expect(first.failure).toMatch(/^its clock could not be set right: /);
    const second = await save(machine, directory);
    expect(second.failure).toBe(first.failure);
    expect(await readdir(directory)).toEqual([]);
    expect((await shell(connectAgent(second.agent), "echo here")).output).toBe("here");
    await machine[Symbol.asyncDispose]();
  });

  it("is a machine that was booted as well as a copy", async () => {
    const templates = join(fixture.options.dataDir, "templates");
    for (const key of await readdir(templates)) {
      if (key !== ".lock") await writeFile(join(templates, key, "state"), "damaged");
    }
    const said: string[] = [];
    const provider = createQemuProvider({ ...fixture.options, progress: (line) => void said.push(line) });
    await using machine = await provider.provision(spec(), signal);
    expect(said).toEqual([expect.stringMatching(/^machine: booted/)]);
    const directory = await emptyDirectory();
    await shell(connectAgent(machine.agent), "echo mine > /home/runner/work/mine");
    expect((await save(machine, directory)).failure).toBeUndefined();
    await using restored = await restore(directory);
    expect((await shell(connectAgent(restored.agent), "cat /home/runner/work/mine")).output).toBe("mine");
    await Promise.all([restored, machine].map((one) => one[Symbol.asyncDispose]()));
  });

  it("is refused by name of what differs, and does not start from half of its memory", async () => {
    await using machine = await provision();
    const directory = await emptyDirectory();
    await save(machine, directory);
    await machine[Symbol.asyncDispose]();
    const larger = { ...spec(), memoryMib: 1536 };
    await expect(createQemuProvider(fixture.options).restore?.(larger, directory, signal)).rejects.toMatchObject({
      code: "CHECKPOINT_UNUSABLE",
      message: expect.stringMatching(/: it was saved with another arguments than/),
    });
    await truncate(join(directory, "state"), 50_000_000);
    await expect(restore(directory)).rejects.toMatchObject({ code: "MACHINE_START_FAILED" });
  });
});

async function save(machine: Machine, directory: string): Promise<AfterSave> {
  const after = await machine.save?.(directory, signal);
  if (after === undefined) throw new Error("it cannot be saved");
  return after;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? -1;
}

function machinesOf({ options }: QemuFixture): string {
  return join(options.dataDir, "machines");
}

/** By way of its bulk input, and read back. */
async function bring(to: Machine, agent: AgentClient, content: string): Promise<string> {
  const tar = await packTar([{ header: { name: "file", size: content.length }, body: content }]);
  const input = await to.bulk?.write(Readable.from([tar]));
  if (input === undefined) throw new Error("there is no room on this host");
  await agent.unpackInput("/home/runner/work/_temp/input", input, signal);
  return (await shell(agent, "cat /home/runner/work/_temp/input/file")).output;
}

async function ownerOf(id: string): Promise<number> {
  const [pid] = await qemuProcesses(id);
  return (await stat(`/proc/${pid}`)).uid;
}

/** In as many turns of the loop as it takes: what is waited for may be there for a millisecond. */
async function untilTrue(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}

async function* endless(): AsyncGenerator<Uint8Array> {
  const body = new Uint8Array(2 ** 20);
  const tar = await packTar([{ header: { name: "file", size: body.length }, body }]);
  for (;;) yield tar.subarray(0, 512 + body.length);
}
