import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { extractVmlinux } from "./vmlinux.ts";

const never = new AbortController().signal;
const vmlinux = Buffer.concat([Buffer.from("\x7fELF", "latin1"), Buffer.alloc(5000, "kernel")]);

describe("extractVmlinux", () => {
  it("takes the ELF kernel out of a bzImage", async () => {
    expect(await extractVmlinux(bzImage({ payload: gzipSync(vmlinux) }), never)).toEqual(vmlinux);
  });

  it("reads zero setup sectors as four, as old headers mean it", async () => {
    const image = bzImage({ payload: gzipSync(vmlinux), setupSectors: 4 });
    image.writeUInt8(0, 0x1f1);
    expect(await extractVmlinux(image, never)).toEqual(vmlinux);
  });

  it.each([
    ["is not a kernel at all", Buffer.from("#!/bin/sh\n"), "Not a bzImage"],
    ["lacks the header's mark", Buffer.alloc(8192), "Not a bzImage"],
    [
      "is older than the field for the payload",
      bzImage({ payload: gzipSync(vmlinux), version: 0x207 }),
      "Not a bzImage",
    ],
    ["has a payload past its own end", bzImage({ payload: gzipSync(vmlinux), length: 1 << 30 }), "past the end"],
    ["is packed in an unknown way", bzImage({ payload: Buffer.alloc(64, "?") }), "of an unknown kind: 3f3f3f"],
    ["unpacks to something else", bzImage({ payload: gzipSync("text") }), "is not an ELF file"],
    // LZ4's mark, then a claim of 4 GiB where the unpacked size stands.
    [
      "claims an absurd size",
      bzImage({ payload: Buffer.from("02214c1800000000ffffffff", "hex") }),
      "claims 4294967295",
    ],
  ])("refuses a file that %s", async (_what, image, message) => {
    await expect(extractVmlinux(image, never)).rejects.toThrow(message);
  });

  it("says what is missing when a damaged payload cannot be unpacked", async () => {
    const damaged = Buffer.concat([gzipSync(vmlinux).subarray(0, 40), Buffer.alloc(8)]);
    await expect(extractVmlinux(bzImage({ payload: damaged }), never)).rejects.toMatchObject({ code: "SETUP_FAILED" });
  });
});

/** Header and payload where the boot protocol says, and nothing else. */
function bzImage(options: { payload: Buffer; setupSectors?: number; version?: number; length?: number }): Buffer {
  const { payload, setupSectors = 1, version = 0x20f, length = payload.length } = options;
  const gap = 100;
  const image = Buffer.alloc((setupSectors + 1) * 512 + gap + payload.length);
  image.writeUInt8(setupSectors, 0x1f1);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt16LE(version, 0x206);
  image.writeUInt32LE(gap, 0x248);
  image.writeUInt32LE(length, 0x24c);
  payload.copy(image, (setupSectors + 1) * 512 + gap);
  return image;
}
