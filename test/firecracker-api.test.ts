/**
 * Every request that Firecracker's provider makes, checked against Firecracker's own OpenAPI description, and what the provider's
 * process does when Firecracker refuses, breaks down, hangs or dies. Against the fake, without a guest.
 */
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { boot } from "../src/provider/firecracker/boot.ts";
import type { BootPlan } from "../src/provider/firecracker/boot.ts";
import { FirecrackerClient } from "../src/provider/firecracker/client.ts";
import { untilLost } from "../src/provider/firecracker/loss.ts";
import { createSnapshot, loadSnapshot } from "../src/provider/firecracker/snapshot.ts";
import { startVmProcess } from "../src/provider/firecracker/vm-process.ts";
import type { VmDirectory, VmProcess, VmProcessOptions } from "../src/provider/firecracker/vm-process.ts";
import { dialAgent } from "../src/provider/firecracker/vsock.ts";
import type { FakeKnobs } from "./firecracker-fake/knobs.ts";
import { hasDescription, requestFaults } from "./firecracker-fake/openapi.ts";
import { writeFakePrograms } from "./firecracker-fake/programs.ts";

const { signal } = new AbortController();
const DEADLINE_MS = 20_000;
const notHere = "not proven: ../shared/firecracker-openapi.yaml is not here";

let dataDir = "";
let log = "";
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "hearth-test-fc-"));
  log = join(dataDir, "requests.jsonl");
  await writeFile(log, "");
});
afterEach(async () => {
  const left = await readdir(join(dataDir, "jail", "firecracker")).catch(() => []);
  await rm(dataDir, { recursive: true });
  if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
});

const plan: BootPlan = {
  version: "1.17.0",
  cpus: 2,
  memoryMib: 512,
  kernel: "vmlinux",
  initrd: "initrd",
  disks: [
    { id: "root", file: "root.sqfs", writable: false },
    { id: "scratch", file: "scratch.ext4", writable: true },
  ],
  vsock: "vsock.sock",
  limits: { console: true, diskMibPerSecond: 100, diskOpsPerSecond: 1000 },
};

async function fill({ root }: VmDirectory): Promise<void> {
  for (const name of ["vmlinux", "initrd", "root.sqfs", "scratch.ext4"]) await writeFile(join(root, name), name);
}

async function cannotFill(): Promise<never> {
  throw new Error("disk full");
}

async function options(id: string, knobs: Partial<FakeKnobs> = {}): Promise<VmProcessOptions> {
  const programs = join(dataDir, "fake", id);
  const { firecracker } = await writeFakePrograms(programs, { version: "1.17.0", guest: "none", log, ...knobs });
  return { dataDir, id, firecracker, jailer: undefined, cgroup: undefined };
}

async function start(knobs: Partial<FakeKnobs> = {}): Promise<VmProcess> {
  return startVmProcess(await options("m1", knobs), fill, signal);
}

interface Logged {
  readonly call: string;
  readonly body?: object;
  readonly status: number;
}

async function requests(): Promise<Logged[]> {
  const lines = (await readFile(log, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line): Logged => JSON.parse(line));
}

function split(call: string): [string, string] {
  const [method = "", path = ""] = call.split(" ");
  return [method, path];
}

describe("requests to Firecracker", () => {
  it("boot a machine in the order that Firecracker asks for, each as its description says", async () => {
    await using vm = await start();
    await boot(vm.client, plan);
    expect((await vm.client.describe()).state).toBe("Running");
    const made = await requests();
    expect(made.map(({ call }) => call)).toEqual([
      "GET /",
      "PUT /logger",
      "PUT /machine-config",
      "PUT /boot-source",
      "PUT /drives/root",
      "PUT /drives/scratch",
      "PUT /vsock",
      "PUT /entropy",
      "PUT /balloon",
      "PUT /serial",
      "PUT /actions",
      "GET /",
    ]);
    expect(made.filter(({ status }) => status >= 300)).toEqual([]);
  });

  it("are as described, all of them", async (context) => {
    if (!hasDescription) context.skip(notHere);
    await using vm = await start();
    const { client } = vm;
    await client.putMetrics("root.sqfs");
    await boot(client, plan);
    expect(await client.version()).toBe("1.17.0");
    await client.patchDrive({ drive_id: "root", path_on_host: "scratch.ext4" });
    await client.setState("Paused");
    await client.createSnapshot({ snapshot_path: "state", mem_file_path: "memory" });
    await client.setState("Resumed");
    const made = await requests();
    expect(made.flatMap(({ call, body }) => requestFaults(...split(call), body))).toEqual([]);
    // The check can fail: for a field that nobody knows, a value of another type, and a path.
    const withBody = made.flatMap(({ call, body }) => (body === undefined ? [] : [{ call, body }]));
    expect(withBody.length).toBeGreaterThan(10);
    for (const { call, body } of withBody) {
      expect(requestFaults(...split(call), { ...body, invented: 1 })).toEqual(["body.invented is unknown"]);
      for (const [name, value] of Object.entries(body)) {
        const wrong = { ...body, [name]: typeof value === "object" ? 7 : {} };
        expect(requestFaults(...split(call), wrong)).toHaveLength(1);
      }
    }
    expect(requestFaults("PUT", "/vsocks", {})).toEqual(["there is no PUT /vsocks"]);
  });

  it("leave out what an older Firecracker does not know", async () => {
    await using vm = await start({ version: "1.16.1" });
    await boot(vm.client, { ...plan, version: "1.16.1" });
    expect((await requests()).map(({ call }) => call)).not.toContain("PUT /serial");
  });

  it("give the guest no module-less kernel and no serial port where the console is off", async () => {
    await using vm = await start();
    await boot(vm.client, { ...plan, limits: { ...plan.limits, console: false } });
    const source = (await requests()).find(({ call }) => call === "PUT /boot-source");
    const line = JSON.stringify(source?.body);
    expect(line).toContain("8250.nr_uarts=0");
    expect(line).not.toMatch(/nomodule|console=/);
    expect(line).toContain("hearth_disks=root,scratch");
  });
});

describe("when Firecracker", () => {
  it("refuses, its own words are told", async () => {
    await using vm = await start({ refuse: { "PUT /vsock": "no room for a device" } });
    await expect(boot(vm.client, plan)).rejects.toMatchObject({
      code: "MACHINE_START_FAILED",
      message: "Firecracker refused PUT /vsock: no room for a device",
    });
  });

  it("breaks down, the status is told", async () => {
    await using vm = await start({ breakDown: ["PUT /machine-config"] });
    await expect(boot(vm.client, plan)).rejects.toThrow("Firecracker refused PUT /machine-config: status 500");
  });

  it("hangs, nobody waits for ever", async () => {
    await using vm = await start({ hang: ["PUT /balloon"] });
    const hasty = new FirecrackerClient(vm.socketPath("api.sock"), { deadlineMs: 300 });
    await expect(boot(hasty, plan)).rejects.toMatchObject({
      code: "MACHINE_LOST",
      message: "Firecracker did not answer PUT /balloon: no answer within 300 ms",
    });
  });

  it("is asked in the wrong order, it refuses, and so does the fake", async () => {
    await using vm = await start();
    await expect(vm.client.start()).rejects.toThrow("without kernel configuration");
    await expect(vm.client.setState("Paused")).rejects.toThrow("not supported before starting");
    await boot(vm.client, plan);
    await expect(vm.client.putEntropy()).rejects.toThrow("not supported after starting");
    await expect(vm.client.createSnapshot({ snapshot_path: "s", mem_file_path: "m" })).rejects.toThrow("not paused");
  });

  it("ends before it listens, what it printed is told and nothing is left", async () => {
    await expect(start({ dieAtOnce: "bad argument" })).rejects.toMatchObject({
      code: "MACHINE_START_FAILED",
      message: "Cannot start machine m1: Firecracker ended with exit code 153\nbad argument",
      loss: { cause: "ended" },
    });
  });

  it("dies after the start, the loss says that it was killed", async () => {
    await using vm = await start({ dieAfterStartMs: 1 });
    const lost = untilLost(vm);
    await boot(vm.client, plan).catch(() => undefined);
    expect(await lost).toMatchObject({ cause: "killed", reason: "Firecracker was killed by SIGKILL" });
  });

  it("is not there, that is told", async () => {
    const missing = { ...(await options("m1")), firecracker: join(dataDir, "none") };
    await expect(startVmProcess(missing, fill, signal)).rejects.toMatchObject({ code: "MACHINE_START_FAILED" });
  });

  it("has a machine's directory that cannot be filled, nothing is left", async () => {
    await expect(startVmProcess(await options("m1"), cannotFill, signal)).rejects.toThrow("disk full");
  });
});

describe("the channel", () => {
  it("is a stream to the port asked for, greeted", async () => {
    await using vm = await start();
    await boot(vm.client, plan);
    const stream = await dialAgent(vm.socketPath("vsock.sock"), 52, { deadlineMs: DEADLINE_MS, signal });
    expect(stream.destroyed).toBe(false);
    stream.destroy();
  });

  it("does not wait longer than it should for a guest that never listens", async () => {
    await using vm = await start({ guest: "silent" });
    await boot(vm.client, plan);
    const dialling = dialAgent(vm.socketPath("vsock.sock"), 52, { deadlineMs: 300, signal });
    await expect(dialling).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
  });

  it("stops dialling when nobody wants the machine any more", async () => {
    await using vm = await start({ guest: "silent" });
    await boot(vm.client, plan);
    const reason = new Error("no longer wanted");
    const dialling = dialAgent(vm.socketPath("vsock.sock"), 52, {
      deadlineMs: DEADLINE_MS,
      signal: AbortSignal.abort(reason),
    });
    await expect(dialling).rejects.toBe(reason);
  });
});

describe("a snapshot", () => {
  const overrides = { vsock: "vsock.sock", fill };

  it.each(["1.15.0", "1.16.1"])(
    "of Firecracker %s becomes any number of machines, each in a new process",
    async (version) => {
      const directory = join(dataDir, "snapshot");
      {
        await using vm = await start({ version });
        await boot(vm.client, { ...plan, version });
        await createSnapshot(vm, directory);
        expect((await vm.client.describe()).state).toBe("Paused");
      }
      const load = async (id: string) =>
        loadSnapshot(await options(id, { version }), directory, { version, ...overrides }, signal);
      await using first = await load("m2");
      await using second = await load("m3");
      for (const vm of [first, second]) {
        expect((await vm.client.describe()).state).toBe("Running");
        await vm.client.patchDrive({ drive_id: "scratch", path_on_host: "root.sqfs" });
        (await dialAgent(vm.socketPath("vsock.sock"), 53, { deadlineMs: DEADLINE_MS, signal })).destroy();
      }
    },
  );

  it("that is refused leaves nothing of the new machine", async () => {
    const directory = join(dataDir, "snapshot");
    await mkdir(directory);
    for (const name of ["snapshot-state", "snapshot-memory"]) await writeFile(join(directory, name), "x");
    const own = await options("m2", { refuse: { "PUT /snapshot/load": "of another processor" } });
    const loading = loadSnapshot(own, directory, { version: "1.16.1", ...overrides }, signal);
    await expect(loading).rejects.toThrow("of another processor");
  });
});
