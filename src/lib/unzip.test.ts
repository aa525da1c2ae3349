/** Honest archives come out whole; of hostile ones nothing does (SECURITY-RELIABILITY A15, A16). */
import { execFileSync } from "node:child_process";
import * as fc from "fast-check";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unzip } from "./unzip.ts";
import { RefusedArchive } from "./zip-entries.ts";
import { zipOf } from "./zip.fixture.ts";
import type { ZipEntry } from "./zip.fixture.ts";

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "hearth-unzip-"));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

async function unpack(bytes: Buffer): Promise<string> {
  const archive = join(scratch, "a.zip");
  writeFileSync(archive, bytes);
  await unzip(archive, join(scratch, "out"));
  return join(scratch, "out");
}

const SYMLINK = 0o120777;
const MIB = 1 << 20;

describe("unzip", () => {
  it("unpacks files, directories and empty files, deflated and stored, and takes over no mode", async () => {
    const out = await unpack(
      zipOf([
        { name: "dir/" },
        { name: "dir/a.txt", content: "a".repeat(100_000), mode: 0o104777 },
        { name: "deep/er/ünï ☃.txt", content: "b", stored: true },
        { name: "empty" },
        { name: "empty stored", stored: true },
        { name: "long", content: "c", zip64: true },
      ]),
    );
    expect(readFileSync(join(out, "dir/a.txt"), "utf8")).toBe("a".repeat(100_000));
    expect(readFileSync(join(out, "deep/er/ünï ☃.txt"), "utf8")).toBe("b");
    expect([statSync(join(out, "empty")).size, statSync(join(out, "empty stored")).size]).toEqual([0, 0]);
    expect(readFileSync(join(out, "long"), "utf8")).toBe("c");
    expect(statSync(join(out, "dir/a.txt")).mode & 0o7111).toBe(0);
    expect(readdirSync(scratch).toSorted()).toEqual(["a.zip", "out"]);
  });

  it("unpacks what another program packed, and an archive of nothing", async () => {
    const script =
      "import zipfile; z = zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED); z.writestr('x/y.txt', 'python' * 999)";
    execFileSync("python3", ["-c", script], { cwd: scratch });
    await unzip(join(scratch, "a.zip"), join(scratch, "out"));
    expect(readFileSync(join(scratch, "out/x/y.txt"), "utf8")).toBe("python".repeat(999));
    await unzip(join(scratch, "a.zip"), join(scratch, "new/place"));
    rmSync(join(scratch, "out"), { recursive: true });
    expect(readdirSync(await unpack(zipOf([])))).toEqual([]);
  });

  const hostile: readonly [string, readonly ZipEntry[], string][] = [
    ["a name that climbs out", [{ name: "../x" }], "leads out"],
    ["a name that climbs out later", [{ name: "a/../../x" }], "leads out"],
    ["an absolute name", [{ name: "/tmp/x" }], "leads out"],
    ["a name with an empty part", [{ name: "a//x" }], "leads out"],
    ["a directory that climbs out", [{ name: "../" }], "leads out"],
    ["a name of another system", [{ name: "..\\x" }], "not for names"],
    ["a drive", [{ name: "C:x" }], "not for names"],
    ["a name with NUL", [{ name: "a\0b" }], "not for names"],
    ["a name that a terminal would obey", [{ name: "a\u001b[2J" }], "not for names"],
    ["an empty name", [{ name: "" }], "empty or too long"],
    ["a name without end", [{ name: "a/".repeat(1000) }], "empty or too long"],
    ["a part without end", [{ name: "a".repeat(300) }], "too long"],
    ["a link", [{ name: "link", content: "/etc/passwd", mode: SYMLINK }], "neither a file nor a directory"],
    [
      "a link to a directory, and a file through it",
      [{ name: "d", content: "/tmp", mode: SYMLINK }, { name: "d/x" }],
      "neither",
    ],
    ["a device", [{ name: "dev", mode: 0o020666 }], "neither a file nor a directory"],
    ["a pipe", [{ name: "pipe", mode: 0o010666 }], "neither a file nor a directory"],
    ["a socket", [{ name: "socket", mode: 0o140666 }], "neither a file nor a directory"],
    ["the same name twice", [{ name: "a" }, { name: "a" }], "another of the same name"],
    ["names that differ in case", [{ name: "a/B" }, { name: "A/b" }], "another of the same name"],
    ["names that differ in how they are composed", [{ name: "é" }, { name: "e\u0301" }], "another of the same name"],
    ["a file that is a directory too", [{ name: "a" }, { name: "a/b" }], "another of the same name"],
    ["a size that is too small", [{ name: "a", content: "12345", claims: { bytes: 4 } }], "longer than"],
    ["a size that is too large", [{ name: "a", content: "12345", claims: { bytes: 6 } }], "size is not what"],
    ["a size without bytes", [{ name: "a", stored: true, claims: { bytes: 6 } }], "size is not what"],
    ["a checksum of something else", [{ name: "a", content: "12345", claims: { crc32: 1 } }], "damaged"],
    ["bytes that are none", [{ name: "a", content: "12345", stored: true, method: 8 }], "damaged"],
    ["a password", [{ name: "a", content: "1", flags: 1 }], "encrypted"],
    ["another compression", [{ name: "a", content: "1", method: 12 }], "method 12"],
    ["a bomb", [{ name: "a", content: Buffer.alloc(300 * MIB) }], "would become"],
    [
      "a bomb that says it is none",
      [{ name: "a", content: Buffer.alloc(300 * MIB), claims: { bytes: 10 } }],
      "longer than",
    ],
    [
      "entries that share their bytes",
      [
        { name: "a", content: Buffer.alloc(MIB) },
        ...Array.from({ length: 50 }, (_, at) => ({ name: `b${at}`, content: Buffer.alloc(MIB), overlaps: true })),
      ],
      "overlap",
    ],
  ];
  it.each(hostile)("refuses %s, and leaves nothing", async (_, entries, why) => {
    const honest = { name: "honest", content: "x" };
    const bytes = zipOf([honest, ...entries]);
    await expect(unpack(bytes)).rejects.toThrow(why);
    await expect(unpack(bytes)).rejects.toBeInstanceOf(RefusedArchive);
    expect(readdirSync(scratch)).toEqual(["a.zip"]);
  });

  it("refuses more entries than anybody has, before it reads them", async () => {
    await expect(unpack(zipOf([{ name: "a" }], 1_000_000))).rejects.toThrow("1000000 entries");
  });

  it("refuses what is no archive, or only the beginning of one", async () => {
    const whole = zipOf([{ name: "a", content: "12345" }]);
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from("PK"),
      whole.subarray(0, -1),
      whole.subarray(30),
      Buffer.alloc(70_000),
    ]) {
      await expect(unpack(bytes)).rejects.toBeInstanceOf(RefusedArchive);
    }
    expect(existsSync(join(scratch, "out"))).toBe(false);
  });

  it("never throws anything but a refusal, and never writes outside, whatever was changed", async () => {
    const whole = zipOf([
      { name: "dir/a.txt", content: "hello hello hello" },
      { name: "b", content: "x", zip64: true },
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, byte) => {
        const changed = Buffer.from(whole);
        changed[at] = byte;
        rmSync(join(scratch, "out"), { recursive: true, force: true });
        const error = await unpack(changed).then(
          () => undefined,
          (cause: unknown) => cause,
        );
        expect(error ?? new RefusedArchive()).toBeInstanceOf(RefusedArchive);
        expect(readdirSync(scratch).filter((name) => name !== "a.zip" && name !== "out")).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("writes into no directory that has something in it", async () => {
    mkdirSync(join(scratch, "out"));
    writeFileSync(join(scratch, "out/mine"), "");
    await expect(unpack(zipOf([{ name: "a" }]))).rejects.toThrow("ENOTEMPTY");
    expect(readdirSync(join(scratch, "out"))).toEqual(["mine"]);
  });
});
