/**
 * What keeps QEMU itself in bounds, should a guest break out into it: an account that is this machine's alone, and limits of
 * memory, processor time and processes. An account takes root; an ordinary user's QEMU is that user's, as it always was.
 * (SECURITY-RELIABILITY A30, A32)
 */
import { readFile, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { tiedPrefix } from "../../lib/tied-process.ts";
import { createCgroup, sweepCgroups } from "../cgroup.ts";
import type { Cgroup } from "../cgroup.ts";
import type { CgroupRoot } from "../cgroup-root.ts";
import type { MachineSpec } from "../provider.ts";
import { takeVmAccount } from "../vm-account.ts";
import type { VmAccount } from "../vm-account.ts";
import type { Accelerator } from "./qemu-arguments.ts";

export interface Confinement extends AsyncDisposable {
  readonly account: VmAccount | undefined;
  /** Put before QEMU's argument vector. */
  readonly prefix: readonly string[];
  /** Whether the kernel killed something of it because the memory limit was reached. */
  ranOutOfMemory(): Promise<boolean>;
  /** Lets QEMU open for writing what it inherits: it opens files anew, and then they have to be its own. */
  give(file: Pick<FileHandle, "chown">): Promise<void>;
}

interface ConfinementOptions {
  readonly dataDir: string;
  readonly accelerator: Accelerator;
  /** Undefined where there can be no limits. */
  readonly cgroups: CgroupRoot | undefined;
}

/** What QEMU needs beside the guest's memory. Emulated, its translations of the guest's code take up to a gigabyte. */
const BESIDE_GUEST_MIB: { readonly [accelerator in Accelerator]: number } = { kvm: 256, tcg: 1280, hvf: 256 };
/** QEMU's threads: one for each processor, one for each request to a disk under way. */
const MAX_TASKS = 256;

/** Whatever it executes can gain nothing. */
export const PLAIN_OPTIONS: readonly string[] = ["--no-new-privs"];

/** Dispose of it when QEMU has ended. Throws MACHINE_START_FAILED, and then nothing is left. */
export async function confine(
  { dataDir, accelerator, cgroups }: ConfinementOptions,
  spec: MachineSpec,
  signal: AbortSignal,
): Promise<Confinement> {
  await using undo = new AsyncDisposableStack();
  const account = (await hasAccounts()) ? undo.use(await takeVmAccount(dataDir, signal)) : undefined;
  const cgroup = cgroups && undo.use(await limit(cgroups, accelerator, spec));
  const taken = undo.move();
  return {
    account,
    prefix: [
      ...(cgroup?.prefix ?? []),
      ...tiedPrefix([...PLAIN_OPTIONS, ...(account ? await asAccount(account, accelerator) : [])]),
    ],
    ranOutOfMemory: async () => ((await cgroup?.events())?.oomKills ?? 0) > 0,
    give: async (file) => {
      if (account !== undefined) await file.chown(account.uid, account.gid);
    },
    [Symbol.asyncDispose]: () => taken.disposeAsync(),
  };
}

async function limit(cgroups: CgroupRoot, accelerator: Accelerator, spec: MachineSpec): Promise<Cgroup> {
  await sweepCgroups(cgroups);
  const memoryMib = spec.memoryMib + BESIDE_GUEST_MIB[accelerator];
  return createCgroup(cgroups, spec.id, { cpus: spec.cpus, memoryMib, tasks: MAX_TASKS });
}

async function asAccount({ uid, gid }: VmAccount, accelerator: Accelerator): Promise<string[]> {
  const groups = accelerator === "kvm" ? await groupsForKvm() : "--clear-groups";
  return [`--reuid=${uid}`, `--regid=${gid}`, groups, "--inh-caps=-all", "--bounding-set=-all"];
}

/** QEMU opens the device itself. On Debian it is open to a group, elsewhere to all. */
async function groupsForKvm(): Promise<string> {
  const { mode, gid } = await stat("/dev/kvm");
  return (mode & 0o006) === 0o006 ? "--clear-groups" : `--groups=${gid}`;
}

/** Root of a user namespace has the users that were mapped into it, and no others. */
async function hasAccounts(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  // `0 0 4294967295` where there is no such namespace, and no file where there is no /proc.
  const map = await readFile("/proc/self/uid_map", "utf8").catch(() => "");
  return /^\s*0\s+0\s+4294967295\s*$/m.test(map);
}
