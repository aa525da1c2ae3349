/**
 * The disk by which bulk input comes to one machine: the emulated serial port that all else goes through takes 7 MB/s. The host
 * writes to the file while the machine runs, each input behind the last; the guest reads what it is told of. The file is sparse
 * and has no name: it takes up what was written, until the machine ends.
 */
import { open, statfs, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { EngineError } from "../../lib/engine-error.ts";
import { Semaphore } from "../../lib/semaphore.ts";
import { INPUT_ALIGNMENT, INPUT_DEVICE } from "../../protocol/input-device.ts";
import type { BulkInput } from "../provider.ts";
import { unnamedFile } from "./unnamed-file.ts";

const GIB = 2 ** 30;
/** Part of a template's key: a saved machine knows its disks' sizes. */
export const INPUT_DISK_BYTES = 64 * GIB;
/** Kept for the host, as for machines of the gVisor provider. */
const RESERVE_BYTES = 2 * GIB;
/** Between two looks at how much is free. */
const STRIDE_BYTES = 2 ** 24;
/** Whichever account QEMU has; no one else can come to a file without a name. */
const READ_BY_ALL = 0o444;

export interface InputDisk extends BulkInput, AsyncDisposable {
  /** For QEMU: it cannot write by it. The caller closes it. */
  openForReading(): Promise<FileHandle>;
}

/** Throws MACHINE_START_FAILED. */
export async function createInputDisk(
  directory: string,
  freeBytes: () => Promise<number> = () => freeBytesIn(directory),
): Promise<InputDisk> {
  const file = await createSparse(directory);
  const turns = new Semaphore(1);
  let nextBytes = 0;
  let grantedBytes = 0;

  const hasRoom = async (endBytes: number): Promise<boolean> => {
    if (endBytes > INPUT_DISK_BYTES) return false;
    if (endBytes <= grantedBytes) return true;
    const wantedBytes = endBytes - grantedBytes + STRIDE_BYTES;
    if ((await freeBytes()) < RESERVE_BYTES + wantedBytes) return false;
    grantedBytes += wantedBytes;
    return true;
  };

  return {
    async write(source) {
      // One at a time: how long an input is shows at its end.
      using turn = await turns.acquire();
      const offsetBytes = nextBytes;
      let endBytes = offsetBytes;
      try {
        for await (const piece of source) {
          const pieceOffset = endBytes;
          if (!(await hasRoom(pieceOffset + piece.length))) return undefined;
          // Before it is written: what was written in part is not written to again either.
          endBytes += piece.length;
          if (!(await wasWritten(file, piece, pieceOffset))) return undefined;
        }
      } finally {
        nextBytes = Math.ceil(endBytes / INPUT_ALIGNMENT) * INPUT_ALIGNMENT;
      }
      return { path: INPUT_DEVICE, offsetBytes, lengthBytes: endBytes - offsetBytes };
    },
    openForReading: () => open(`/proc/self/fd/${file.fd}`, "r"),
    [Symbol.asyncDispose]: () => file.close(),
  };
}

async function createSparse(directory: string): Promise<FileHandle> {
  try {
    const file = await unnamedFile(directory, (path) => writeFile(path, "", { mode: 0o600 }));
    await file.truncate(INPUT_DISK_BYTES);
    await file.chmod(READ_BY_ALL);
    return file;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError("MACHINE_START_FAILED", `Cannot make a machine's input disk: ${why}`, {
      cause,
      hint: `see that the disk of ${directory} has room and takes sparse files`,
    });
  }
}

/** Whatever the disk has against it (full, a quota, the machine has ended): the input can take the other way. */
async function wasWritten(file: FileHandle, piece: Uint8Array, offsetBytes: number): Promise<boolean> {
  try {
    for (let done = 0; done < piece.length;) {
      done += (await file.write(piece, done, piece.length - done, offsetBytes + done)).bytesWritten;
    }
    return true;
  } catch {
    // See above.
    return false;
  }
}

async function freeBytesIn(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
