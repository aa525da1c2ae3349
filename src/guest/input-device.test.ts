import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, describe, expect, it } from "vitest";
import { readInput } from "./input-device.ts";

const directory = mkdtempSync(join(tmpdir(), "hearth-test-input-"));
afterAll(() => rmSync(directory, { recursive: true }));

const MIB = 1 << 20;
const device = join(directory, "device");
const content = randomBytes(5 * MIB);
writeFileSync(device, content);

function range(offsetBytes: number, lengthBytes: number, path = device) {
  return { path, offsetBytes, lengthBytes };
}

/** Descriptors of this process that lead to the device. */
function opened(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === device;
    } catch {
      // The one by which the directory was read.
      return false;
    }
  }).length;
}

describe("bulk input", () => {
  it.each([
    [0, 0],
    [0, 1],
    [MIB, MIB],
    [MIB, 3 * MIB + 513],
    [2 * MIB, 3 * MIB],
    [0, 5 * MIB],
  ])("from %d is the %d bytes that are there", async (offset, length) => {
    const read = await buffer(readInput(device, range(offset, length)));
    expect(read.equals(content.subarray(offset, offset + length))).toBe(true);
    expect(opened()).toBe(0);
  });

  it.each([
    ["of another path", device, range(0, 1, "/etc/passwd"), "no device for input: /etc/passwd"],
    ["where the machine has no device", undefined, range(0, 1), "no device for input"],
    ["from the middle of a block", device, range(4096, 1), "no place where input begins: 4096"],
    ["from before the beginning", device, range(-MIB - 1, 1), "no place where input begins"],
    ["beyond its end", device, range(4 * MIB, MIB + 1), "ends after 1048576 of 1048577 bytes"],
  ])("is refused %s", async (_why, path, wanted, message) => {
    await expect(buffer(readInput(path, wanted))).rejects.toThrow(message);
    expect(opened()).toBe(0);
  });

  it("closes the device when nobody reads on", async () => {
    const reading = readInput(device, range(0, 5 * MIB));
    await reading.iterator({ destroyOnReturn: false }).next();
    expect(opened()).toBe(1);
    reading.destroy();
    await expect.poll(opened).toBe(0);
  });
});
