/** Whether this host can run machines by QEMU, and if not, the command that brings what is missing. */
import { findImage } from "../../image/image-store.ts";
import { findKernel } from "../../image/kernel.ts";
import type { Kernel } from "../../image/kernel.ts";
import { EngineError } from "../../lib/engine-error.ts";
import { runCommand } from "../../lib/run-command.ts";
import type { Isolation, Probe } from "../provider.ts";
import { probeKvm } from "./kvm-probe.ts";
import type { Accelerator } from "./qemu-arguments.ts";
import { QEMU } from "./qemu-process.ts";

export const ISOLATION: { readonly [accelerator in Accelerator]: Isolation } = {
  kvm: "microVM (QEMU, KVM)",
  tcg: "microVM (QEMU, emulated: not a security boundary)",
  hvf: "microVM (QEMU, HVF)",
};

/** What a Debian host needs for QEMU machines. */
export const qemuPackages: readonly string[] = [
  "qemu-system-x86",
  "busybox-static",
  "squashfs-tools",
  "lz4",
  "e2fsprogs",
  "util-linux",
];

export interface QemuHost {
  readonly dataDir: string;
  readonly accelerator: Accelerator;
}

/** Changes nothing but the memory of whether KVM works (`kvm-probe.ts`). */
export async function probeQemu({ dataDir, accelerator }: QemuHost): Promise<Probe> {
  if (accelerator === "hvf") return { ok: false, reason: WITHOUT_MACOS, fix: "run Hearth on Linux" };
  const qemuVersion = await readQemuVersion();
  if (qemuVersion === undefined) return { ok: false, reason: `${QEMU} is not installed`, fix: SETUP };
  const kernel = await findKernel(dataDir);
  if (kernel === undefined) return { ok: false, reason: "there is no guest kernel yet", fix: SETUP };
  if ((await findImage(dataDir)) === undefined) return { ok: false, reason: "there is no guest image yet", fix: SETUP };
  const detail = `QEMU ${qemuVersion}, kernel ${kernel.version}`;
  if (accelerator === "tcg") return { ok: true, isolation: ISOLATION.tcg, detail: `${detail}, emulated` };
  const kvm = await probeKvm({ dataDir, kernel, qemuVersion });
  if (!kvm.works) return { ok: false, reason: kvm.reason, fix: WITHOUT_KVM };
  return { ok: true, isolation: ISOLATION.kvm, detail: `${detail}, a guest has booted under KVM` };
}

/** QEMU's version. Throws PROVIDER_UNAVAILABLE without QEMU, and KVM_UNAVAILABLE where KVM was asked for: there is no step down. */
export async function requireQemu({ dataDir, accelerator }: QemuHost, kernel: Kernel): Promise<string> {
  if (accelerator === "hvf") {
    throw new EngineError("PROVIDER_UNAVAILABLE", `Cannot start a machine under HVF: ${WITHOUT_MACOS}`);
  }
  const qemuVersion = await readQemuVersion();
  if (qemuVersion === undefined) {
    throw new EngineError("PROVIDER_UNAVAILABLE", `Cannot start a machine: ${QEMU} is not installed`, { hint: SETUP });
  }
  if (accelerator === "tcg") return qemuVersion;
  const kvm = await probeKvm({ dataDir, kernel, qemuVersion });
  if (kvm.works) return qemuVersion;
  throw new EngineError("KVM_UNAVAILABLE", `Cannot start a machine under KVM: ${kvm.reason}`, { hint: WITHOUT_KVM });
}

const SETUP = "hearth setup qemu";
/** How QEMU is told of HVF is written; what a machine of Hearth's stands on beside it is Linux's. */
const WITHOUT_MACOS =
  "macOS lacks what machines are started with: files named by descriptor (/proc/self/fd), setpriv(1), flock(1), mkfs.ext4";
const WITHOUT_KVM = "gVisor needs no KVM; KVM needs a host whose processor's virtualisation is free for it";

/** Such as `7.2.22`; undefined when it is not installed. */
export async function readQemuVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await runCommand([QEMU, "--version"]);
    return /version (\S+)/.exec(stdout)?.[1];
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
