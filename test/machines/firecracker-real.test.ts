/**
 * The provider's conversation with a real Firecracker: runs where HEARTH_FIRECRACKER names its binary (and HEARTH_JAILER its jailer),
 * `/dev/kvm` can be opened, and a kernel and an image are set up. What needs a guest that answers is in the provider contract, which
 * runs too where a tiny guest boots; elsewhere it is skipped and says why.
 */
import { accessSync, constants } from "node:fs";
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { agentBundle } from "../../src/agent-bundle.ts";
import { initrdThatSays } from "../../src/image/initrd.ts";
import { prepareKernel } from "../../src/image/kernel.ts";
import { runCommand } from "../../src/lib/run-command.ts";
import { findBinaries } from "../../src/provider/firecracker/binary.ts";
import type { Binaries } from "../../src/provider/firecracker/binary.ts";
import { boot } from "../../src/provider/firecracker/boot.ts";
import { shareFile } from "../../src/provider/firecracker/machine-files.ts";
import { createFirecrackerProvider } from "../../src/provider/firecracker/provider.ts";
import type { FirecrackerProviderOptions } from "../../src/provider/firecracker/provider.ts";
import { createSnapshot, loadSnapshot } from "../../src/provider/firecracker/snapshot.ts";
import { startVmProcess } from "../../src/provider/firecracker/vm-process.ts";
import type { VmDirectory, VmProcess, VmProcessOptions } from "../../src/provider/firecracker/vm-process.ts";
import { providerContract } from "../../src/provider/provider.contract.ts";
import { setupFirecracker } from "../../src/setup/firecracker.ts";
import { firecrackerLeftovers, firecrackerProcesses, hostDataDir } from "./firecracker-fixture.ts";

const binary = process.env["HEARTH_FIRECRACKER"];
const jailer = process.env["HEARTH_JAILER"] || undefined;
const reason = whyNot();
const { signal } = new AbortController();
const setUp = { dataDir: hostDataDir, progress: () => undefined, signal };

function whyNot(): string | undefined {
  if (binary === undefined || binary === "") return "HEARTH_FIRECRACKER names no binary";
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return "/dev/kvm is missing or not open to this user";
  }
}

function notProven(why: string | undefined): string {
  return why === undefined ? "" : ` (not proven: ${why})`;
}

let options: FirecrackerProviderOptions;
let binaries: Binaries;
let vmlinux = "";

async function setUpReal(): Promise<void> {
  // Beside the images: /tmp may be a file system that allows no device files, and a jail needs one.
  const dataDir = await mkdtemp(join(hostDataDir, "test-firecracker-"));
  for (const name of ["images", "kernels"]) await symlink(join(hostDataDir, name), join(dataDir, name));
  await setupFirecracker({ ...setUp, dataDir, binary: binary ?? "", jailer });
  const found = await findBinaries(dataDir);
  if (!found.ok) throw new Error(found.reason);
  const jailed = jailer !== undefined && process.getuid?.() === 0;
  binaries = jailed ? found.binaries : { ...found.binaries, jailer: undefined };
  vmlinux = (await prepareKernel(setUp)).vmlinux;
  options = {
    dataDir,
    agentBundle: await agentBundle(hostDataDir),
    progress: () => undefined,
    uid: process.getuid?.() ?? 0,
    jailer: jailed ? "required" : "off",
    device: "/dev/kvm",
    probeDeadlineMs: 5_000,
    limits: { console: true, diskMibPerSecond: 512, diskOpsPerSecond: 20_000 },
    cgroupMount: "/sys/fs/cgroup",
    startDeadlineMs: 60_000,
  };
}

function vmOptions(id: string): VmProcessOptions {
  const { firecracker, jailer } = binaries;
  return { dataDir: options.dataDir, id, firecracker, jailer, cgroup: undefined };
}

async function disks(directory: VmDirectory): Promise<void> {
  for (const name of ["first.disk", "other.disk"]) {
    await writeFile(join(directory.root, name), Buffer.alloc(1 << 20));
    await directory.give(name);
  }
}

async function fill(directory: VmDirectory): Promise<void> {
  await disks(directory);
  await shareFile(directory, vmlinux, "vmlinux");
  await writeFile(join(directory.root, "initrd"), await initrdThatSays("ready"), { mode: 0o444 });
}

/** As the fakes are. */
async function isScript(path: string): Promise<boolean> {
  return (await readFile(path)).subarray(0, 2).toString("latin1") === "#!";
}

async function started(id: string): Promise<VmProcess> {
  const vm = await startVmProcess(vmOptions(id), fill, signal);
  await boot(vm.client, {
    version: binaries.version,
    cpus: 1,
    memoryMib: 256,
    kernel: "vmlinux",
    initrd: "initrd",
    disks: [{ id: "first", file: "first.disk", writable: true }],
    vsock: "vsock.sock",
    limits: options.limits,
  });
  return vm;
}

if (reason === undefined) await setUpReal();
const noGuest = reason ?? (await whyNoGuestBoots());

async function whyNoGuestBoots(): Promise<string | undefined> {
  const probe = await createFirecrackerProvider(options).probe();
  return probe.ok ? undefined : probe.reason;
}

describe.skipIf(reason !== undefined)(`a real Firecracker${notProven(reason)}`, () => {
  afterAll(async () => rm(options.dataDir, { recursive: true }));

  it("takes every request of a start, says that it runs, and stops when it is told", async () => {
    await using vm = await started("real-1");
    expect(await vm.client.version()).toBe(binaries.version);
    expect((await vm.client.describe()).state).toBe("Running");
    await vm.client.setState("Paused");
    expect((await vm.client.describe()).state).toBe("Paused");
    await vm.client.setState("Resumed");
    expect((await vm.client.describe()).state).toBe("Running");
    await expect(vm.client.start()).rejects.toMatchObject({ code: "MACHINE_START_FAILED" });
  });

  it("is saved, loaded by two new processes, and given another disk there", async () => {
    const snapshot = join(options.dataDir, "snapshot");
    {
      await using vm = await started("real-2");
      await createSnapshot(vm, snapshot);
    }
    const load = (id: string): Promise<VmProcess> =>
      loadSnapshot(vmOptions(id), snapshot, { version: binaries.version, vsock: "vsock.sock", fill: disks }, signal);
    await using first = await load("real-3");
    await using second = await load("real-4");
    for (const vm of [first, second]) {
      expect((await vm.client.describe()).state).toBe("Running");
      await vm.client.patchDrive({ drive_id: "first", path_on_host: "other.disk" });
      expect(await readdir(vm.directory.root)).toContain("vsock.sock");
    }
  });

  it("is told from a machine that ended when it is killed", async () => {
    await using vm = await started("real-5");
    for (const pid of await firecrackerProcesses("real-5")) process.kill(pid, "SIGKILL");
    expect(await vm.ended).toMatchObject({ signal: "SIGKILL" });
  });

  it("is confined: an account of its own, no privileges to gain, system calls filtered, its directory the root", async (context) => {
    const program = binaries.jailer ?? context.skip("HEARTH_JAILER names no jailer, or not root");
    if (await isScript(program)) context.skip("a fake jailer changes no root and filters no system calls");
    await using vm = await started("real-6");
    const inside = `for pid in "$@"; do grep -q '^Uid:.0' /proc/$pid/status || { grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/$pid/status; stat -L -c %i /proc/$pid/root; stat -c %i "$ROOT"; }; done`;
    const pids = (await firecrackerProcesses("real-6")).map(String);
    const { stdout } = await runCommand(["sh", "-c", inside, "sh", ...pids], {
      env: { PATH: "/usr/bin:/bin", ROOT: vm.directory.root },
    });
    const [capabilities, noNewPrivileges, seccomp, root, directory] = stdout.trim().split("\n");
    expect(capabilities).toMatch(/CapEff:\s0+$/);
    expect(noNewPrivileges).toMatch(/NoNewPrivs:\s1$/);
    expect(seccomp).toMatch(/Seccomp:\s2$/);
    expect(root).toBe(directory);
  });

  it("leaves nothing, after all of this", async () => {
    expect(await firecrackerLeftovers(options.dataDir, "real-")).toEqual([]);
  });

  describe.skipIf(noGuest !== undefined)(`under KVM that runs guests${notProven(noGuest)}`, () => {
    const subject = {
      create: async () => createFirecrackerProvider(options),
      leftovers: () => firecrackerLeftovers(options.dataDir, `contract-${process.pid}-`),
      kill: async ({ id }: { readonly id: string }) => {
        for (const pid of await firecrackerProcesses(id)) process.kill(pid, "SIGKILL");
      },
    };
    providerContract("firecracker", subject);
  });
});
