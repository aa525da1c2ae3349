import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { emptyDirectory, readWholeFile, removeTree, writeWholeFile } from "./files.ts";

const root = mkdtempSync(join(tmpdir(), "hearth-files-test-"));
let place = root;
let placeNumber = 0;
beforeEach(() => {
  place = join(root, String(++placeNumber));
  mkdirSync(place);
});
afterAll(() => rmSync(root, { recursive: true }));

describe("writing a file", () => {
  it("makes its directories and gives it exactly the mode asked for, also when it exists", () => {
    const path = join(place, "a/b/c");
    writeWholeFile(path, "one", 0o755, undefined);
    writeWholeFile(path, "2", 0o640, undefined);
    expect(readFileSync(path, "utf8")).toBe("2");
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it("follows no link in the last place, dangling or not", () => {
    symlinkSync(join(place, "elsewhere"), join(place, "link"));
    expect(() => writeWholeFile(join(place, "link"), "x", 0o644, undefined)).toThrow(/ELOOP/);
    expect(readdirSync(place)).toEqual(["link"]);
  });

  it("does not wait for somebody to read a FIFO", () => {
    execFileSync("mkfifo", [join(place, "fifo")]);
    expect(() => writeWholeFile(join(place, "fifo"), "x", 0o644, undefined)).toThrow(/ENXIO/);
  });
});

describe("reading a file", () => {
  it("gives its content up to the bound, and the size of one beyond it", () => {
    writeFileSync(join(place, "f"), "12345");
    expect(readWholeFile(join(place, "f"), 5)).toEqual({ kind: "content", content: Buffer.from("12345") });
    expect(readWholeFile(join(place, "f"), 4)).toEqual({ kind: "too_large", sizeBytes: 5 });
    writeFileSync(join(place, "empty"), "");
    expect(readWholeFile(join(place, "empty"), 0)).toEqual({ kind: "content", content: Buffer.alloc(0) });
  });

  it("does not believe a size: files under /proc say 0, some never end", () => {
    const read = readWholeFile("/proc/self/status", 1 << 20);
    expect(read.kind === "content" && read.content.toString()).toContain("Pid:");
    expect(readWholeFile("/proc/self/status", 10)).toMatchObject({ kind: "too_large" });
    expect(readWholeFile("/dev/zero", 10)).toEqual({ kind: "missing" });
  });

  it("takes what is no regular file for missing, without waiting", () => {
    execFileSync("mkfifo", [join(place, "fifo")]);
    for (const path of ["none", "none/below", "fifo", "."]) {
      expect(readWholeFile(join(place, path), 10)).toEqual({ kind: "missing" });
    }
  });
});

describe("emptying a directory", () => {
  it("keeps the directory and removes all in it, sealed directories too", async () => {
    const inode = statSync(place).ino;
    mkdirSync(join(place, "sealed/inner"), { recursive: true });
    writeFileSync(join(place, "sealed/inner/.hidden"), "x");
    execFileSync("chmod", ["-R", "a-w", join(place, "sealed")]);
    await emptyDirectory(place, undefined);
    expect(readdirSync(place)).toEqual([]);
    expect(statSync(place).ino).toBe(inode);
  });

  it("replaces a link instead of emptying what it leads to", async () => {
    mkdirSync(join(place, "precious"));
    writeFileSync(join(place, "precious/file"), "x");
    symlinkSync(join(place, "precious"), join(place, "work"));
    symlinkSync(join(place, "precious"), join(place, "precious/itself"));
    await emptyDirectory(join(place, "work"), undefined);
    expect(lstatSync(join(place, "work")).isDirectory()).toBe(true);
    expect(readdirSync(join(place, "precious")).toSorted()).toEqual(["file", "itself"]);
    await removeTree(join(place, "precious/itself"));
    expect(readdirSync(join(place, "precious"))).toEqual(["file"]);
  });
});
