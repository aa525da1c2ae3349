/**
 * How much a machine may write. Its disk is a file that grows, so what it may hold is decided from what the host has when the
 * machine starts: a machine alone never takes what is kept back for the host; many at once can promise themselves more than there is.
 */
import { statfs } from "node:fs/promises";
import { EngineError } from "../../lib/engine-error.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** As the scratch disk of a QEMU machine; GitHub promises 14. */
const DISK_BYTES = 20 * GIB;
/** For the host: logs, the store, images that are being built. */
const RESERVE_BYTES = 2 * GIB;
/** With less, checking out and installing fails in the middle. */
const LEAST_BYTES = GIB;

/** In MiB, whole GiB: a template is made for each size. Throws `EngineError` MACHINE_START_FAILED when `directory` has too little free for a machine to be of use. */
export async function diskMibFor(directory: string, id: string, free = freeBytesIn): Promise<number> {
  const freeBytes = await free(directory);
  const bytes = Math.min(DISK_BYTES, freeBytes - RESERVE_BYTES);
  if (bytes >= LEAST_BYTES) return Math.floor(bytes / GIB) * (GIB / MIB);
  const needed = (RESERVE_BYTES + LEAST_BYTES) / GIB;
  throw new EngineError(
    "MACHINE_START_FAILED",
    `Cannot start machine ${id}: ${(freeBytes / GIB).toFixed(1)} GiB are free in ${directory}, at least ${needed} are needed`,
    { hint: "Free some space there, or choose another place with HEARTH_DATA" },
  );
}

async function freeBytesIn(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
