import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { array, assert, property, uint8Array } from "fast-check";
import { describe, expect, it } from "vitest";
import { writeCpio } from "./cpio.ts";
import type { CpioEntry } from "./cpio.ts";

const cpioProgram = ["/usr/bin/cpio", "/bin/cpio"].find((path) => existsSync(path));

const entries: readonly CpioEntry[] = [
  { kind: "directory", path: "bin", mode: 0o755 },
  { kind: "file", path: "bin/tool", mode: 0o755, content: Buffer.from("12345") },
  { kind: "link", path: "bin/alias", target: "tool" },
  { kind: "file", path: "empty", mode: 0o600, content: new Uint8Array() },
];

describe("writeCpio", () => {
  it("writes what a reader of the format finds again", () => {
    expect(readCpio(writeCpio(entries))).toEqual([
      { path: "bin", mode: 0o040755, content: "" },
      { path: "bin/tool", mode: 0o100755, content: "12345" },
      { path: "bin/alias", mode: 0o120777, content: "tool" },
      { path: "empty", mode: 0o100600, content: "" },
    ]);
  });

  it("gives back any content, and each archive can follow another", () => {
    const content = uint8Array({ maxLength: 64 });
    assert(
      property(array(content, { maxLength: 5 }), (contents) => {
        const files = contents.map((bytes, index): CpioEntry => {
          return { kind: "file", path: `f${"x".repeat(index)}`, mode: 0o644, content: bytes };
        });
        const archive = Buffer.concat([writeCpio(entries), writeCpio(files)]);
        const found = readCpio(archive).slice(entries.length);
        expect(found.map((file) => file.content)).toEqual(
          contents.map((bytes) => Buffer.from(bytes).toString("latin1")),
        );
      }),
    );
  });

  it("gives the same bytes for the same entries", () => {
    expect(writeCpio(entries).equals(writeCpio(entries))).toBe(true);
  });

  it.each(["/etc/passwd", "../x", "a/../b", "a//b", "./a", "", "a\0b"])("refuses the path %j", (path) => {
    expect(() => writeCpio([{ kind: "directory", path, mode: 0o755 }])).toThrow("Not a plain relative path");
  });

  it.skipIf(cpioProgram === undefined)("is understood by cpio itself (skipped where that is not installed)", () => {
    const listing = execFileSync(cpioProgram ?? "", ["-tv", "--quiet"], {
      input: writeCpio(entries),
      encoding: "utf8",
    });
    const lines = listing.trim().split("\n");
    expect(lines.map((line) => line.split(/\s+/)[0])).toEqual(["drwxr-xr-x", "-rwxr-xr-x", "lrwxrwxrwx", "-rw-------"]);
    expect(lines[2]).toContain("bin/alias -> tool");
  });
});

/** Reads the way Linux does: archive after archive, padding between them allowed. */
function readCpio(archive: Buffer): { path: string; mode: number; content: string }[] {
  const found = [];
  for (let at = 0; at < archive.length;) {
    expect(archive.toString("latin1", at, at + 6)).toBe("070701");
    const field = (index: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const path = archive.toString("utf8", at + 110, at + 110 + nameSize - 1);
    const start = roundUp(at + 110 + nameSize);
    if (path !== "TRAILER!!!") found.push({ path, mode, content: archive.toString("latin1", start, start + size) });
    at = roundUp(start + size);
  }
  return found;
}

function roundUp(at: number): number {
  return Math.ceil(at / 4) * 4;
}
