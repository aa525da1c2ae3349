import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { INPUT_DISK_BYTES, createInputDisk } from "./input-disk.ts";
import type { InputDisk } from "./input-disk.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearth-test-input-disk-"));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function* inPieces(content: Buffer, pieceBytes = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes);
}

async function* failing(content: Buffer): AsyncGenerator<Uint8Array> {
  yield content;
  throw new Error("the archive broke off");
}

async function readBack(disk: InputDisk, offsetBytes: number, lengthBytes: number): Promise<Buffer> {
  await using file = await disk.openForReading();
  const { buffer, bytesRead } = await file.read(Buffer.alloc(lengthBytes), 0, lengthBytes, offsetBytes);
  expect(bytesRead).toBe(lengthBytes);
  return buffer;
}

describe("an input disk", () => {
  it("has the size that its guest was told, takes up what was written, and has no name", async () => {
    await using disk = await createInputDisk(directory);
    await disk.write(inPieces(randomBytes(MIB)));
    await using file = await disk.openForReading();
    expect(await readdir(directory)).toEqual([]);
    const { size, blocks, nlink } = await file.stat();
    expect([size, nlink]).toEqual([INPUT_DISK_BYTES, 0]);
    expect(blocks * 512).toBeLessThan(4 * MIB);
  });

  it("keeps inputs that come at the same time apart, each at a whole MiB", async () => {
    await using disk = await createInputDisk(directory);
    const contents = [1, 3 * MIB, 2 * MIB + 1, 700_000].map((bytes) => randomBytes(bytes));
    const inputs = await Promise.all(contents.map((content) => disk.write(inPieces(content))));
    for (const [index, content] of contents.entries()) {
      const { offsetBytes = NaN, lengthBytes } = inputs[index] ?? {};
      expect([lengthBytes, offsetBytes % MIB]).toEqual([content.length, 0]);
      expect((await readBack(disk, offsetBytes, content.length)).equals(content)).toBe(true);
    }
  });

  it("passes on why an input broke off, and does not write to the same place again", async () => {
    await using disk = await createInputDisk(directory);
    const broken = randomBytes(MIB + 1);
    await expect(disk.write(failing(broken))).rejects.toThrow("the archive broke off");
    expect(await disk.write(inPieces(randomBytes(10)))).toMatchObject({ offsetBytes: 2 * MIB, lengthBytes: 10 });
    expect((await readBack(disk, 0, broken.length)).equals(broken)).toBe(true);
  });

  it("takes no input that would fill the host's disk, and closes it", async () => {
    let freeBytes = 2 * GIB + 64 * MIB;
    await using disk = await createInputDisk(directory, async () => freeBytes);
    let closed = false;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          yield Buffer.alloc(MIB);
          freeBytes -= MIB;
        }
      } finally {
        closed = true;
      }
    };
    expect(await disk.write(endless())).toBeUndefined();
    expect(closed).toBe(true);
    expect(freeBytes).toBeGreaterThanOrEqual(2 * GIB);
    freeBytes = 20 * GIB;
    expect(await disk.write(inPieces(randomBytes(10)))).toMatchObject({ lengthBytes: 10 });
  });

  it("cannot be written to by the descriptor that QEMU has", async () => {
    await using disk = await createInputDisk(directory);
    await using file = await disk.openForReading();
    await expect(file.write(Buffer.from("x"), 0, 1, 0)).rejects.toMatchObject({ code: "EBADF" });
    expect((await file.stat()).mode & 0o777).toBe(0o444);
  });

  it("takes nothing any more when its machine has ended", async () => {
    const disk = await createInputDisk(directory);
    await disk[Symbol.asyncDispose]();
    expect(await disk.write(inPieces(randomBytes(10)))).toBeUndefined();
  });
});
