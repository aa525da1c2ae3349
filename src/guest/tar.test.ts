/** SECURITY-RELIABILITY A15 and A16: archives that try to land outside, to make what is no file, or to fill the disk. */
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { packTar } from "modern-tar";
import type { TarHeader } from "modern-tar";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { packDirectory, unpackDirectory } from "./tar.ts";
import type { UnpackCaps } from "./tar.ts";

const root = mkdtempSync(join(tmpdir(), "hearth-tar-test-"));
let place = root;
let caseNumber = 0;
beforeEach(() => {
  place = join(root, String(++caseNumber));
  mkdirSync(join(place, "outside"), { recursive: true });
  writeFileSync(join(place, "outside/canary"), "canary");
});
afterAll(() => rmSync(root, { recursive: true }));

type Entry = Partial<TarHeader> & { name: string; body?: string };

async function archive(entries: Entry[]): Promise<Uint8Array> {
  return await packTar(entries.map(({ body = "", ...header }) => ({ header: { size: body.length, ...header }, body })));
}

async function unpack(entries: Entry[] | Uint8Array, caps?: UnpackCaps): Promise<void> {
  const bytes = entries instanceof Uint8Array ? entries : await archive(entries);
  await unpackDirectory(join(place, "in"), Readable.from([bytes]), undefined, caps);
}

const link = (name: string, linkname: string): Entry => ({ name, type: "symlink", linkname });
const hardlink = (name: string, linkname: string): Entry => ({ name, type: "link", linkname });

describe("an archive is refused that holds", () => {
  it.each<[string, Entry[]]>([
    ["a path that climbs out", [{ name: "../x", body: "x" }]],
    ["a path that climbs out in its middle", [{ name: "a/../../x", body: "x" }]],
    ["a path that climbs out with backslashes", [{ name: "..\\x", body: "x" }]],
    ["a path that climbs within", [{ name: "a/../x", body: "x" }]],
    ["an absolute path", [{ name: "/tmp/hearth-escaped", body: "x" }]],
    ["an absolute directory", [{ name: "/tmp/hearth-escaped/", type: "directory" }]],
    ["a link that leads outside", [link("l", "../outside")]],
    ["a link to an absolute path", [link("l", "/etc/passwd")]],
    ["a link that leads outside, and a file through it", [link("l", "../outside"), { name: "l/canary", body: "x" }]],
    [
      "a chain of links that leads outside",
      [{ name: "d/", type: "directory" }, link("d/up", ".."), link("d/up2", "up/../../outside")],
    ],
    ["a link to a link that leads outside", [link("a", "."), link("b", "a/../../outside")]],
    ["a hard link to outside", [hardlink("h", "../outside/canary")]],
    ["a hard link to an absolute path", [hardlink("h", "/etc/passwd")]],
    ["a hard link to nothing", [hardlink("h", "none")]],
    ["a link without a target", [link("l", "")]],
    ["a character device", [{ name: "null", type: "character-device" }]],
    ["a block device", [{ name: "disk", type: "block-device" }]],
    ["a FIFO", [{ name: "pipe", type: "fifo" }]],
    [
      "a file below a file",
      [
        { name: "f", body: "x" },
        { name: "f/g", body: "x" },
      ],
    ],
  ])("%s", async (_what, entries) => {
    await expect(unpack(entries)).rejects.toThrow(/\w/);
    expect(readdirSync(place).filter((name) => name !== "in")).toEqual(["outside"]);
    expect(readFileSync(join(place, "outside/canary"), "utf8")).toBe("canary");
    expect(readdirSync("/tmp")).not.toContain("hearth-escaped");
  });

  it("a file where a link to outside was planted before: the link is replaced, not followed", async () => {
    mkdirSync(join(place, "in"));
    symlinkSync("../outside/canary", join(place, "in/f"));
    await unpack([{ name: "f", body: "new" }]);
    expect(readFileSync(join(place, "outside/canary"), "utf8")).toBe("canary");
    expect(readFileSync(join(place, "in/f"), "utf8")).toBe("new");
  });

  it("a file below a directory that was replaced by a link before", async () => {
    mkdirSync(join(place, "in"));
    symlinkSync("../outside", join(place, "in/d"));
    await expect(unpack([{ name: "d/canary", body: "x" }])).rejects.toThrow(/outside/);
    expect(readFileSync(join(place, "outside/canary"), "utf8")).toBe("canary");
  });

  it("more entries or bytes than the caps, counted before they are written", async () => {
    const caps = { entries: 3, totalBytes: 1_000 };
    await expect(
      unpack(
        ["a", "b", "c", "d"].map((name) => ({ name })),
        caps,
      ),
    ).rejects.toThrow(/more than 3 entries/);
    await expect(unpack([{ name: "large", body: "x".repeat(1_001) }], caps)).rejects.toThrow(/more than 1000 bytes/);
    // A header that lies about its size is refused by what it claims.
    const lying = await archive([{ name: "sparse", size: 0 }]);
    lying.set(Buffer.from("77777777777\0"), 124);
    fixChecksum(lying);
    await expect(unpack(lying, caps)).rejects.toThrow(/more than 1000 bytes/);
    expect(readdirSync(join(place, "in"))).not.toContain("sparse");
  });

  it("bytes that are no tar, or end in the middle", async () => {
    await expect(unpack(Buffer.alloc(2_048, "x"))).rejects.toThrow(/\w/);
    const whole = await archive([{ name: "f", body: "x".repeat(2_000) }]);
    await expect(unpack(whole.subarray(0, 1_024))).rejects.toThrow(/\w/);
  });
});

describe("an archive is unpacked", () => {
  it("with modes but without set-user-id, with links that stay inside", async () => {
    await unpack([
      { name: "bin/", type: "directory", mode: 0o755 },
      { name: "bin/tool", body: "tool", mode: 0o6755 },
      link("tool", "bin/tool"),
      hardlink("same", "bin/tool"),
    ]);
    expect(statSync(join(place, "in/bin/tool")).mode & 0o7777).toBe(0o755);
    expect(readlinkSync(join(place, "in/tool"))).toBe("bin/tool");
    expect(statSync(join(place, "in/same")).ino).toBe(statSync(join(place, "in/bin/tool")).ino);
  });

  it("as it was packed", async () => {
    const source = join(place, "source");
    mkdirSync(join(source, "a/b"), { recursive: true });
    writeFileSync(join(source, "a/b/run"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(source, "a/empty"), "");
    symlinkSync("b/run", join(source, "a/link"));
    await unpack(await buffer(await packDirectory(source)));
    execFileSync("diff", ["--recursive", "--no-dereference", source, join(place, "in")]);
    expect(lstatSync(join(place, "in/a/link")).isSymbolicLink()).toBe(true);
    expect(statSync(join(place, "in/a/b/run")).mode & 0o777).toBe(0o755);
  });
});

/** The sum of the header's bytes, with spaces where the sum itself stands (POSIX ustar). */
function fixChecksum(tar: Uint8Array): void {
  tar.fill(0x20, 148, 156);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.set(Buffer.from(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
}
