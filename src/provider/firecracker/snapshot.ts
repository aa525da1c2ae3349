/**
 * A machine's state on disk, and a new machine from it (Firecracker's docs/snapshotting). The files are made in the machine's own
 * directory, as the jail allows nothing else, and taken out of it. Every name a machine uses is relative to its directory, so the
 * new one needs the same names, and nothing is overridden but what a newer Firecracker lets us say plainly.
 *
 * Whoever loads must fix the guest's clock and entropy before anything else runs in it, and open its channel anew: connections
 * are closed by a snapshot, listeners live on.
 */
import { chmod, chown, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { VSOCK_OVERRIDE_SINCE, isAtLeast } from "./binary.ts";
import { shareFile } from "./machine-files.ts";
import { startVmProcess } from "./vm-process.ts";
import type { VmDirectory, VmProcess, VmProcessOptions } from "./vm-process.ts";

const STATE = "snapshot-state";
const MEMORY = "snapshot-memory";

/** Pauses the machine and leaves it so. `directory` is on the data directory's file system. The memory file must never change. */
export async function createSnapshot({ client, directory: { root } }: VmProcess, directory: string): Promise<void> {
  await client.setState("Paused");
  await client.createSnapshot({ snapshot_path: STATE, mem_file_path: MEMORY });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of [STATE, MEMORY]) {
    const kept = join(directory, name);
    await rename(join(root, name), kept);
    await chmod(kept, 0o444);
    if (process.getuid?.() === 0) await chown(kept, 0, 0);
  }
}

export interface SnapshotOverrides {
  /** Of the Firecracker that loads. */
  readonly version: string;
  /** Name of the channel's socket in the new directory. */
  readonly vsock: string;
  /** Puts the disks into the new directory under the names they had. */
  readonly fill: (directory: VmDirectory) => Promise<void>;
}

/** A new machine that runs on from there. Any number at once from one snapshot. Throws as `startVmProcess` does. */
export async function loadSnapshot(
  options: VmProcessOptions,
  directory: string,
  { version, vsock, fill }: SnapshotOverrides,
  signal: AbortSignal,
): Promise<VmProcess> {
  const vm = await startVmProcess(
    options,
    async (own) => {
      for (const name of [STATE, MEMORY]) await shareFile(own, join(directory, name), name);
      await fill(own);
    },
    signal,
  );
  try {
    await vm.client.loadSnapshot({
      snapshot_path: STATE,
      mem_backend: { backend_type: "File", backend_path: MEMORY },
      resume_vm: true,
      ...(isAtLeast(version, VSOCK_OVERRIDE_SINCE) ? { vsock_override: { uds_path: vsock } } : {}),
    });
    return vm;
  } catch (error) {
    await vm[Symbol.asyncDispose]();
    throw error;
  }
}
