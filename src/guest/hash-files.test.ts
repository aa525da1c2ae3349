import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as actionsGlob from "@actions/glob";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { glob } from "./glob.ts";
import { hashFiles } from "./hash-files.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "hearth-glob-test-")));
const workspace = join(root, "work [x] space");
mkdirSync(workspace);
afterAll(() => rmSync(root, { recursive: true }));

// The package prints `::debug::` lines, and takes relative patterns from the process's directory and `~` from its environment.
beforeEach(() => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  vi.spyOn(process, "cwd").mockReturnValue(workspace);
  vi.stubEnv("HOME", workspace);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

for (const path of [
  "a.txt",
  "b.lock",
  "sub/a.txt",
  "sub/deep/c.lock",
  ".hidden/d.txt",
  "sub/[odd]?name.txt",
  "ünï/ö.txt",
]) {
  mkdirSync(dirname(join(workspace, path)), { recursive: true });
  writeFileSync(join(workspace, path), path);
}
writeFileSync(join(root, "outside.txt"), "outside");
symlinkSync("a.txt", join(workspace, "link.txt"));
symlinkSync("sub", join(workspace, "linked"));
symlinkSync("..", join(workspace, "sub/up"));
symlinkSync("nowhere", join(workspace, "sub/broken.lock"));

async function ours(patterns: string[], followSymbolicLinks: boolean): Promise<string[] | "refused"> {
  try {
    const found: string[] = [];
    const options = { directory: workspace, home: workspace, followSymbolicLinks };
    for await (const path of glob(patterns, options)) found.push(path);
    return found;
  } catch {
    return "refused";
  }
}

async function theirs(patterns: string[], followSymbolicLinks: boolean): Promise<string[] | "refused"> {
  try {
    return await (await actionsGlob.create(patterns.join("\n"), { followSymbolicLinks })).glob();
  } catch {
    return "refused";
  }
}

describe("finding files", () => {
  it.each([
    [["**"]],
    [["**/*.txt"]],
    [["**/*.lock", "!sub/**"]],
    [["*.txt", "", "  # comment", "!  a.txt "]],
    [["sub"]],
    [["sub/"]],
    [["a.txt/"]],
    [["./sub/*"]],
    [["~/a.txt"]],
    [["."]],
    [[".hidden/*"]],
    [["sub/\\[odd\\]\\?name.txt"]],
    [["sub/[[]odd[]]*"]],
    [["*.{txt,lock}"]],
    [["+(a|b).*"]],
    [["../*"]],
    [["sub/../a.txt"]],
    [["sub/./a.txt"]],
    [["!a.txt"]],
    [["!!a.txt"]],
    [["sub//a.txt", "sub/a.txt"]],
    [[`${root}/*.txt`]],
    [["linked/**"]],
    [["none/**"]],
    [["*", "!*/**", "sub/deep/c.lock"]],
    [["ünï/*"]],
  ])("is the same as with @actions/glob, order included: %j", async (patterns) => {
    for (const follow of [false, true]) expect(await ours(patterns, follow)).toEqual(await theirs(patterns, follow));
  });

  it("is the same as with @actions/glob for any patterns", async () => {
    const segment = fc.oneof(
      fc.constantFrom(
        "**",
        "*",
        "sub",
        "deep",
        "a.txt",
        "linked",
        "up",
        ".",
        "..",
        ".hidden",
        "*.lock",
        "?.txt",
        "[a-b]*",
        "~",
        "!",
        "",
      ),
      fc.string({ unit: fc.constantFrom(..."ab*?[]!.\\/{}".split("")), maxLength: 5 }),
    );
    const pattern = fc.tuple(fc.constantFrom("", "", "!", "./"), fc.array(segment, { minLength: 1, maxLength: 4 }));
    await fc.assert(
      fc.asyncProperty(fc.array(pattern, { minLength: 1, maxLength: 3 }), fc.boolean(), async (parts, follow) => {
        // Roots far from the workspace are left out: they would walk the whole machine.
        const patterns = parts
          .map(([prefix, segments]) => prefix + segments.join("/"))
          .filter((text) => !/^[!\s]*\//.test(text));
        expect(await ours(patterns, follow)).toEqual(await theirs(patterns, follow));
      }),
      { numRuns: 300 },
    );
  });
});

describe("hashFiles", () => {
  it("gives GitHub's own hash", async () => {
    for (const patterns of [["**/*.txt"], ["**/*.lock", "!sub/broken.lock"], ["sub"], ["none"]]) {
      for (const followSymbolicLinks of [false, true]) {
        const expected = await actionsGlob
          .hashFiles(patterns.join("\n"), workspace, { followSymbolicLinks })
          .catch(() => "refused");
        const actual = await hashFiles({ workspace, patterns, followSymbolicLinks }, "/").catch(() => "refused");
        expect(actual).toBe(expected);
      }
    }
  });

  it("leaves out what lies outside the workspace", async () => {
    expect(await hashFiles({ workspace, patterns: [`${root}/outside.txt`], followSymbolicLinks: true }, "/")).toBe("");
  });

  it("does not wait for a FIFO", async () => {
    execFileSync("mkfifo", [join(workspace, "fifo")]);
    expect(await hashFiles({ workspace, patterns: ["fifo"], followSymbolicLinks: false }, "/")).toMatch(
      /^[0-9a-f]{64}$/,
    );
    rmSync(join(workspace, "fifo"));
  });
});
