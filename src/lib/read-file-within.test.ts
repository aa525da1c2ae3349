import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readFileWithin } from "./read-file-within.ts";

const directory = mkdtempSync(join(tmpdir(), "hearth-test-"));
const path = (name: string): string => join(directory, name);

afterAll(() => rmSync(directory, { recursive: true }));

describe("readFileWithin", () => {
  it("reads a file up to the limit, and one byte more not", () => {
    writeFileSync(path("file"), "abcd");
    expect(readFileWithin(path("file"), 4, undefined).toString()).toBe("abcd");
    expect(readFileWithin(path("file"), 1_000, undefined).toString()).toBe("abcd");
    expect(() => readFileWithin(path("file"), 3, undefined)).toThrow("larger than 3 bytes");
    writeFileSync(path("empty"), "");
    expect(readFileWithin(path("empty"), 0, undefined)).toHaveLength(0);
  });

  it("follows a link to a file", () => {
    writeFileSync(path("target"), "abcd");
    symlinkSync("target", path("link"));
    expect(readFileWithin(path("link"), 10, undefined).toString()).toBe("abcd");
  });

  it("follows none that leads out of the root, and names nothing of what is there", () => {
    mkdirSync(path("repository"));
    writeFileSync(path("secret"), "root:x:0:0");
    symlinkSync("../secret", path("repository/out"));
    writeFileSync(path("repository/file"), "abcd");
    symlinkSync("file", path("repository/in"));
    const root = path("repository");
    expect(readFileWithin(join(root, "in"), 10, root).toString()).toBe("abcd");
    expect(() => readFileWithin(join(root, "out"), 10, root)).toThrow(
      /^it is a link that leads out of the repository$/,
    );
  });

  it("refuses what would never end, never begin, or fill the memory, with a code as the file system has", () => {
    symlinkSync("/dev/zero", path("zero"));
    execFileSync("mkfifo", [path("pipe")]);
    writeFileSync(path("sparse"), "");
    truncateSync(path("sparse"), 1_500_000_000);
    const code = (name: string): unknown => {
      try {
        return readFileWithin(path(name), 1_048_576, undefined).length;
      } catch (error) {
        return error instanceof Error && "code" in error ? error.code : error;
      }
    };
    expect(["zero", "pipe", "sparse", ".", "none"].map(code)).toEqual([
      "ENOTFILE",
      "ENOTFILE",
      "EFBIG",
      "ENOTFILE",
      "ENOENT",
    ]);
  });
});
