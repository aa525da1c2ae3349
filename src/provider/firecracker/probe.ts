/**
 * Whether this host can run machines by Firecracker, and if not, the exact fix. Cheap questions come first: a host without it is
 * told so in a millisecond. That a guest boots is shown by one that did, in the way machines are started here, jail included.
 */
import { access, constants, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findImage } from "../../image/image-store.ts";
import { initrdThatSays } from "../../image/initrd.ts";
import { findKernel } from "../../image/kernel.ts";
import type { Kernel } from "../../image/kernel.ts";
import { withDeadline } from "../../lib/deadline.ts";
import { EngineError } from "../../lib/engine-error.ts";
import type { Isolation, Probe } from "../provider.ts";
import { probeKvm } from "../qemu/kvm-probe.ts";
import type { KvmAnswer } from "../qemu/kvm-probe.ts";
import { REGISTER, findBinaries } from "./binary.ts";
import type { Binaries } from "./binary.ts";
import { boot } from "./boot.ts";
import { shareFile } from "./machine-files.ts";
import { startVmProcess } from "./vm-process.ts";

export interface FirecrackerHost {
  readonly dataDir: string;
  readonly uid: number;
  /** `off` is the operator's word: machines then run as the user who started Hearth, and say so. */
  readonly jailer: "required" | "off";
  /** `/dev/kvm`. */
  readonly device: string;
  /** For a tiny guest to boot: ten times what it takes that is itself in a virtual machine. */
  readonly probeDeadlineMs: number;
}

type Ready = { readonly ok: true; readonly binaries: Binaries; readonly isolation: Isolation };
type NotReady = { readonly ok: false; readonly reason: string; readonly fix: string };

const SETUP = "hearth setup qemu, which brings the guest's kernel and image";
const WITHOUT_JAILER = "HEARTH_FIRECRACKER_JAILER=off runs machines without it, as this user";
const MARKER = "hearth: a guest has booted";
const PROBE_MEMORY_MIB = 128;

export async function probeFirecracker(host: FirecrackerHost): Promise<Probe> {
  const ready = await inspect(host);
  if (!ready.ok) return ready;
  const kernel = await findKernel(host.dataDir);
  if (kernel === undefined) return { ok: false, reason: "there is no guest kernel yet", fix: SETUP };
  if ((await findImage(host.dataDir)) === undefined) {
    return { ok: false, reason: "there is no guest image yet", fix: SETUP };
  }
  const kvm = await probeBoot(host, ready.binaries, kernel);
  if (!kvm.works) return { ok: false, reason: kvm.reason, fix: WITHOUT_KVM };
  const detail = `Firecracker ${ready.binaries.version}, kernel ${kernel.version}, a guest has booted`;
  return { ok: true, isolation: ready.isolation, detail };
}

/** Throws PROVIDER_UNAVAILABLE or KVM_UNAVAILABLE: there is no step down. */
export async function requireFirecracker(host: FirecrackerHost, kernel: Kernel): Promise<Ready> {
  const ready = await inspect(host);
  if (!ready.ok) {
    throw new EngineError("PROVIDER_UNAVAILABLE", `Cannot start a machine: ${ready.reason}`, { hint: ready.fix });
  }
  const kvm = await probeBoot(host, ready.binaries, kernel);
  if (kvm.works) return ready;
  throw new EngineError("KVM_UNAVAILABLE", `Cannot start a machine under KVM: ${kvm.reason}`, { hint: WITHOUT_KVM });
}

const WITHOUT_KVM = "gVisor needs no KVM; KVM needs a host whose processor's virtualisation is free for it";

/** What can be known without starting anything. */
async function inspect({ dataDir, uid, jailer }: FirecrackerHost): Promise<Ready | NotReady> {
  const found = await findBinaries(dataDir);
  if (!found.ok) return found;
  if (jailer === "off") {
    const binaries = { ...found.binaries, jailer: undefined };
    return { ok: true, binaries, isolation: "microVM (Firecracker, no jailer)" };
  }
  if (found.binaries.jailer === undefined) {
    return { ok: false, reason: "no jailer: none is registered", fix: `${REGISTER}; or ${WITHOUT_JAILER}` };
  }
  if (uid !== 0) {
    return { ok: false, reason: "no jailer: it needs root", fix: `run hearth as root; or ${WITHOUT_JAILER}` };
  }
  return { ok: true, binaries: found.binaries, isolation: "microVM (Firecracker)" };
}

async function probeBoot(host: FirecrackerHost, binaries: Binaries, kernel: Kernel): Promise<KvmAnswer> {
  const { version, sha256, jailer } = binaries;
  // What is remembered is for this binary started in this way: kept apart from QEMU's answer.
  const dataDir = join(host.dataDir, "firecracker");
  const key = `firecracker-${version}-${sha256.slice(0, 12)}-${jailer === undefined ? "plain" : "jailed"}`;
  try {
    return await probeKvm(
      { dataDir, kernel, qemuVersion: key },
      { deviceIsOpen: () => isOpen(host.device), boot: () => bootTinyGuest(host, binaries, kernel) },
    );
  } catch (error) {
    // Not an answer about KVM, so not remembered: what the jailer or Firecracker complains of can be mended before the next boot.
    if (!(error instanceof EngineError)) throw error;
    return { works: false, reason: error.message };
  }
}

async function isOpen(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

async function bootTinyGuest(
  { dataDir, probeDeadlineMs }: FirecrackerHost,
  binaries: Binaries,
  kernel: Kernel,
): Promise<KvmAnswer> {
  const initrd = await initrdThatSays(MARKER);
  const { signal } = new AbortController();
  await using vm = await startVmProcess(
    { dataDir, id: `probe-${process.pid}-${++probes}`, ...binaries, cgroup: undefined },
    async (directory) => {
      await shareFile(directory, kernel.vmlinux, "vmlinux");
      await writeFile(join(directory.root, "initrd"), initrd, { mode: 0o444 });
    },
    signal,
  );
  await boot(vm.client, {
    version: binaries.version,
    cpus: 1,
    memoryMib: PROBE_MEMORY_MIB,
    kernel: "vmlinux",
    initrd: "initrd",
    disks: [],
    vsock: undefined,
    limits: { console: true, diskMibPerSecond: undefined, diskOpsPerSecond: undefined },
  });
  const booted = vm.console.said(new RegExp(MARKER)).then((): KvmAnswer => ({ works: true }));
  const over = vm.ended.then(({ reason }): KvmAnswer => ({
    works: false,
    reason: `${reason} ${vm.console.text()}`.trim(),
  }));
  return await withDeadline(Promise.race([booted, over]), probeDeadlineMs, (): KvmAnswer => ({
    works: false,
    reason: `a guest did not boot under Firecracker within ${probeDeadlineMs / 1000} s`,
  }));
}

let probes = 0;
