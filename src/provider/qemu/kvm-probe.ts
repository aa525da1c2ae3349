/**
 * Whether KVM works on this host: only if a guest has really booted under it within a deadline. `/dev/kvm` may be there and
 * take every call, and a guest still never run (seen on hosts that are virtual machines themselves). The answer costs up to a few
 * seconds, so it is remembered until the host reboots or kernel or QEMU change.
 */
import { access, constants, mkdir, open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { boolean, object, safeParse, string } from "zod/mini";
import { initrdThatSays } from "../../image/initrd.ts";
import type { Kernel } from "../../image/kernel.ts";
import { tiedPrefix } from "../../lib/tied-process.ts";
import { PLAIN_OPTIONS } from "./confinement.ts";
import { startQemu } from "./qemu-process.ts";
import { unnamedFile } from "./unnamed-file.ts";

export type KvmAnswer = { readonly works: true } | { readonly works: false; readonly reason: string };

export interface KvmProbeOptions {
  readonly dataDir: string;
  readonly kernel: Kernel;
  readonly qemuVersion: string;
}

/** Ten times what a guest takes that is itself in a virtual machine. */
const BOOT_DEADLINE_MS = 5000;
const DEVICE = "/dev/kvm";
const MEMORY_FILE = "kvm-probe.json";
const MARKER = "hearth: a guest has booted";

export interface KvmHost {
  deviceIsOpen(): Promise<boolean>;
  boot(options: KvmProbeOptions): Promise<KvmAnswer>;
}

const THIS_HOST: KvmHost = { deviceIsOpen: () => isOpenToUs(DEVICE), boot: bootUnderKvm };

/** Safe to call at any time. Several at once may each try; the answer is the same. */
export async function probeKvm(options: KvmProbeOptions, host: KvmHost = THIS_HOST): Promise<KvmAnswer> {
  // Not remembered: a module that is loaded or a group that is joined changes it before the next boot.
  if (!(await host.deviceIsOpen())) return { works: false, reason: `${DEVICE} is missing or not open to this user` };
  const key = await memoryKey(options);
  const remembered = await recall(options.dataDir, key);
  if (remembered !== undefined) return remembered;
  const answer = await host.boot(options);
  await remember(options.dataDir, key, answer);
  return answer;
}

async function isOpenToUs(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    // Missing or refused: the answer is the same.
    return false;
  }
}

const Memory = object({ key: string(), works: boolean(), reason: string() });

async function memoryKey({ kernel, qemuVersion }: KvmProbeOptions): Promise<string> {
  const bootId = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
  return [bootId.trim(), kernel.version, qemuVersion].join(" ");
}

async function recall(dataDir: string, key: string): Promise<KvmAnswer | undefined> {
  let memory: unknown;
  try {
    memory = JSON.parse(await readFile(join(dataDir, MEMORY_FILE), "utf8"));
  } catch {
    // Missing or damaged: then the guest is booted again.
    return undefined;
  }
  const parsed = safeParse(Memory, memory);
  if (!parsed.success || parsed.data.key !== key) return undefined;
  return parsed.data.works ? { works: true } : { works: false, reason: parsed.data.reason };
}

async function remember(dataDir: string, key: string, answer: KvmAnswer): Promise<void> {
  const memory = { key, works: answer.works, reason: answer.works ? "" : answer.reason };
  const file = join(dataDir, MEMORY_FILE);
  await mkdir(dataDir, { recursive: true });
  // Renamed into place, so that nobody reads half of it.
  await writeFile(`${file}.${process.pid}`, `${JSON.stringify(memory)}\n`);
  await rename(`${file}.${process.pid}`, file);
}

async function bootUnderKvm({ dataDir, kernel }: KvmProbeOptions): Promise<KvmAnswer> {
  const content = await initrdThatSays(MARKER);
  await using initrd = await unnamedFile(dataDir, (path) => writeFile(path, content));
  await using vmlinux = await open(kernel.vmlinux, "r");
  await using qemu = startQemu({
    name: "hearth-kvm-probe",
    prefix: tiedPrefix(PLAIN_OPTIONS),
    accelerator: "kvm",
    cpus: 1,
    memoryMib: 128,
    kernel: vmlinux,
    initrd,
    memory: undefined,
    start: "boot",
    disks: [],
    ports: [],
    directory: dataDir,
  });
  const deadline = Promise.withResolvers<KvmAnswer>();
  const timer = setTimeout(() => {
    deadline.resolve({ works: false, reason: `a guest did not boot under KVM within ${BOOT_DEADLINE_MS / 1000} s` });
  }, BOOT_DEADLINE_MS);
  try {
    return await Promise.race([
      qemu.console.said(new RegExp(MARKER)).then((): KvmAnswer => ({ works: true })),
      qemu.ended.then((how): KvmAnswer => ({ works: false, reason: `${how.reason} ${qemu.console.text()}`.trim() })),
      deadline.promise,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
