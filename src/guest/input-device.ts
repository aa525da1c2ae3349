/**
 * Bulk input of the host, read from a disk that the host writes to while the machine runs. The kernel takes a disk for its own
 * and believes what it once read, also what anybody in the machine read before it was written; so it is read past the
 * kernel's memory (O_DIRECT, open(2)), which takes offsets, lengths and memory in whole blocks.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import type { InputRange } from "../protocol/agent-api.ts";
import { INPUT_ALIGNMENT } from "../protocol/input-device.ts";

/** Node has it; its types do not. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

/** A block of any disk, and a page. */
const BLOCK_BYTES = 4_096;

/**
 * Just these bytes. The stream fails when the range does not begin at a multiple of `INPUT_ALIGNMENT`, is not wholly there or is one of
 * another path than `device`; destroying it closes the disk.
 */
export function readInput(device: string | undefined, range: InputRange): Readable {
  return Readable.from(piecesOf(device, range), { highWaterMark: 1 });
}

async function* piecesOf(device: string | undefined, range: InputRange): AsyncGenerator<Buffer> {
  const { path, offsetBytes, lengthBytes } = range;
  if (device === undefined || path !== device) throw new Error(`no device for input: ${path}`);
  if (offsetBytes % INPUT_ALIGNMENT !== 0) throw new Error(`no place where input begins: ${offsetBytes}`);
  await using file = await open(path, constants.O_RDONLY | constants.O_DIRECT);
  const memory = alignedMemory();
  for (let doneBytes = 0; doneBytes < lengthBytes;) {
    const wantedBytes = Math.min(memory.length, lengthBytes - doneBytes);
    const { bytesRead } = await file.read(memory, 0, wholeBlocks(wantedBytes), offsetBytes + doneBytes);
    // Even one that goes on: the next read would not begin at a block.
    if (bytesRead < wantedBytes)
      throw new Error(`the input ends after ${doneBytes + bytesRead} of ${lengthBytes} bytes`);
    // A copy, as the memory is read into again.
    yield Buffer.from(memory.subarray(0, wantedBytes));
    doneBytes += wantedBytes;
  }
}

/** Node's own buffers begin anywhere; WebAssembly's memory begins at a page. */
function alignedMemory(): Uint8Array<ArrayBuffer> {
  const pages = INPUT_ALIGNMENT / 65_536;
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
}

function wholeBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}
