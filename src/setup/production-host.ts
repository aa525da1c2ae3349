/**
 * What Firecracker's docs/prod-host-setup.md asks of a host that runs strangers' code, and what Hearth adds to it: each point as
 * the kernel shows it below /proc, /sys and /dev, with its fix. Looks and changes nothing. Where a file is missing the answer is
 * `unknown`, never `pass`.
 */
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** `hearth doctor --production --json` prints it: a change of a member is a change of a public format. */
export interface HostCheck {
  readonly check: string;
  readonly status: "pass" | "fail" | "unknown";
  readonly detail: string;
  readonly fix: string | undefined;
}

export interface ProductionHost {
  /** Directory with `proc`, `sys` and `dev`: `/`, but for tests. */
  readonly root: string;
  readonly jailer: { readonly registered: boolean; readonly required: boolean };
  readonly console: { readonly on: boolean; readonly limited: boolean };
  readonly disksLimited: boolean;
}

type Answer = Omit<HostCheck, "check">;

const BOOT = "on the host kernel's command line, then reboot";

export async function inspectProductionHost(host: ProductionHost): Promise<readonly HostCheck[]> {
  const at = (path: string): string => join(host.root, path);
  const checks: readonly (readonly [string, Answer | Promise<Answer>])[] = [
    ["host kernel 5.10 or newer", kernel(at("proc/sys/kernel/osrelease"))],
    ["/dev/kvm is not open to everybody", kvm(at("dev/kvm"))],
    ["a jailer is registered and required", jailer(host.jailer)],
    ["cgroup v2 with memory, cpu, pids", cgroups(at("sys/fs/cgroup/cgroup.controllers"))],
    ["simultaneous multithreading is off", smt(at("sys/devices/system/cpu/smt/control"))],
    ["the processor's vulnerabilities are mitigated", vulnerabilities(at("sys/devices/system/cpu/vulnerabilities"))],
    ["kernel same-page merging is off", ksm(at("sys/kernel/mm/ksm/run"))],
    ["no swap", swap(at("proc/swaps"))],
    ["address space is randomised", aslr(at("proc/sys/kernel/randomize_va_space"))],
    ["huge pages (optional)", hugePages(at("sys/kernel/mm/transparent_hugepage/enabled"))],
    ["guests' serial consoles are off or limited", serial(host.console)],
    ["guests' disks are limited", disks(host.disksLimited)],
    ["memory resists Rowhammer", unknown("no file of the kernel tells", "use ECC memory with target row refresh")],
  ];
  return Promise.all(checks.map(async ([check, answer]) => ({ check, ...(await answer) })));
}

async function kernel(path: string): Promise<Answer> {
  return judge(path, "use a kernel of 5.10 or newer", (release) => {
    const [major = 0, minor = 0] = release.split(".").map((part) => Number.parseInt(part, 10));
    return major > 5 || (major === 5 && minor >= 10);
  });
}

async function kvm(path: string): Promise<Answer> {
  try {
    const { mode } = await stat(path);
    const detail = `mode ${(mode & 0o777).toString(8)}`;
    return (mode & 0o007) === 0 ? pass(detail) : fail(detail, "chmod o-rwx /dev/kvm, and a udev rule that keeps it");
  } catch {
    return fail("missing", "modprobe kvm_intel or kvm_amd; on a virtual host ask for nested virtualisation");
  }
}

function jailer({ registered, required }: ProductionHost["jailer"]): Answer {
  if (!registered) return fail("none is registered", "hearth setup firecracker --binary PATH --jailer PATH");
  return required ? pass("registered, required") : fail("switched off", "unset HEARTH_FIRECRACKER_JAILER");
}

async function cgroups(path: string): Promise<Answer> {
  const fix = `systemd.unified_cgroup_hierarchy=1 ${BOOT}`;
  const text = await read(path);
  if (text === undefined) return fail("cgroup v2 is not mounted", fix);
  const missing = ["memory", "cpu", "pids"].filter((name) => !text.split(/\s+/).includes(name));
  return missing.length === 0 ? pass(text) : fail(`without ${missing.join(", ")}`, fix);
}

async function smt(path: string): Promise<Answer> {
  const off = new Set(["off", "forceoff", "notsupported", "notimplemented"]);
  return judge(path, `nosmt=force ${BOOT}`, (control) => off.has(control));
}

async function vulnerabilities(directory: string): Promise<Answer> {
  const names = await readdir(directory).catch(() => []);
  if (names.length === 0) return unknown("the kernel does not tell", "use a kernel of 5.10 or newer");
  const open: string[] = [];
  for (const name of names) {
    const text = (await read(join(directory, name))) ?? "";
    // Of processors without virtualisation the kernel says so after `KVM:`.
    if (/^(KVM: )?Vulnerable/.test(text) || text.includes("SMT vulnerable")) open.push(`${name}: ${text}`);
  }
  if (open.length === 0) return pass(`${names.length} looked at`);
  return fail(open.join("; "), `newer microcode and kernel; mitigations=auto,nosmt l1tf=full,force ${BOOT}`);
}

async function ksm(path: string): Promise<Answer> {
  return judge(path, "echo 0 > /sys/kernel/mm/ksm/run", (run) => run === "0");
}

async function swap(path: string): Promise<Answer> {
  const text = await read(path);
  if (text === undefined) return unknown("the kernel does not tell", "swapoff --all");
  const [, ...areas] = text.split("\n").map((line) => line.split(/\s/)[0]);
  if (areas.length === 0) return pass("none");
  return fail(areas.join(", "), "swapoff --all, and take swap out of /etc/fstab");
}

async function aslr(path: string): Promise<Answer> {
  return judge(path, "sysctl --write kernel.randomize_va_space=2", (level) => level === "2");
}

async function hugePages(path: string): Promise<Answer> {
  const text = await read(path);
  if (text === undefined) return unknown("the kernel does not tell", undefined);
  return pass(`transparent: ${/\[(\w+)\]/.exec(text)?.[1] ?? text}`);
}

function serial({ on, limited }: ProductionHost["console"]): Answer {
  if (!on) return pass("off: a lost machine's last words are not known");
  if (limited) return pass("limited by Firecracker; the last 4 KiB are kept");
  const fix = "HEARTH_FIRECRACKER_CONSOLE=off, or Firecracker 1.17 or newer";
  return fail("on, and this Firecracker cannot limit it: a guest can keep a processor busy by talking", fix);
}

function disks(limited: boolean): Answer {
  if (limited) return pass("bytes and operations for each second");
  return fail("no limit", "unset HEARTH_FIRECRACKER_DISK_MIBPS and HEARTH_FIRECRACKER_DISK_IOPS");
}

async function judge(path: string, fix: string, isGood: (text: string) => boolean): Promise<Answer> {
  const text = await read(path);
  if (text === undefined) return unknown("the kernel does not tell", fix);
  const detail = text.split("\n").join("; ");
  return isGood(text) ? pass(detail) : fail(detail, fix);
}

async function read(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch {
    // No such file on this kernel, or not for us to read: not known.
    return undefined;
  }
}

function pass(detail: string): Answer {
  return { status: "pass", detail, fix: undefined };
}

function fail(detail: string, fix: string): Answer {
  return { status: "fail", detail, fix };
}

function unknown(detail: string, fix: string | undefined): Answer {
  return { status: "unknown", detail, fix };
}
