import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeZip } from "./zip.fixture.ts";
import { readZip, unpackZip } from "./unpack-tool.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hearth-test-unpack-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("unpackZip", () => {
  it("writes what is placed, with the modes that are said, stored or packed", async () => {
    const long = "x".repeat(10_000);
    const zip = writeZip({ "root/bin/tool": long, "root/data": "d", "other/file": "o", "root/empty": "" });
    await unpackZip(zip, directory, (name) =>
      name.startsWith("root/") ? { path: name.slice(5), executable: name.includes("/bin/") } : undefined,
    );
    expect(await readFile(join(directory, "bin/tool"), "utf8")).toBe(long);
    expect((await stat(join(directory, "bin/tool"))).mode & 0o777).toBe(0o755);
    expect((await stat(join(directory, "data"))).mode & 0o777).toBe(0o644);
    expect(await readFile(join(directory, "empty"), "utf8")).toBe("");
    await expect(stat(join(directory, "other"))).rejects.toThrow("ENOENT");
  });

  it.each(["../evil", "a/../../evil", "/evil", "a/../..", "a\0b"])("refuses %j", async (path) => {
    const unpacking = unpackZip(writeZip({ file: "x" }), directory, () => ({ path, executable: false }));
    await expect(unpacking).rejects.toThrow("leads outside");
  });

  it("does not unpack more than an entry says it holds", async () => {
    const zip = writeZip({ bomb: "0".repeat(100_000) });
    // The size that the directory of the archive names.
    zip.writeUInt32LE(10, zip.indexOf(Buffer.from("PK\x01\x02", "latin1")) + 24);
    const unpacking = unpackZip(zip, directory, (path) => ({ path, executable: false }));
    await expect(unpacking).rejects.toThrow(/longer than/u);
  });

  it("throws and nothing else for what is no archive, or was cut or changed", async () => {
    const zip = writeZip({ a: "1", "b/c": "2".repeat(500) });
    await expect(readZip(Buffer.from("no"))).rejects.toThrow("not a zip archive");
    await fc.assert(
      fc.asyncProperty(fc.nat(zip.length - 1), fc.nat(255), async (at, byte) => {
        const changed = Buffer.from(zip);
        changed[at] = byte;
        // Whatever is thrown, it is an error, and nothing of it comes out of bounds.
        expect(["read", "refused"]).toContain(await outcomeOf(changed));
      }),
    );
  });
});

async function outcomeOf(zip: Buffer): Promise<string> {
  try {
    for (const { content } of await readZip(zip)) if ((await content()).length > 1 << 20) return "too much";
    return "read";
  } catch (error) {
    return error instanceof Error ? "refused" : "thrown";
  }
}
