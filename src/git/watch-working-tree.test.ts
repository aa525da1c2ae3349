import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTestDirectory, git } from "./repository.fixture.ts";
import type { TestDirectory } from "./repository.fixture.ts";
import { watchWorkingTree } from "./watch-working-tree.ts";
import type { TreeWatch } from "./watch-working-tree.ts";

let directory: TestDirectory;
let root: string;
let watch: TreeWatch | undefined;
let told: string[][];
let waiting: (() => void)[];
let failures: unknown[];

beforeEach(() => {
  directory = createTestDirectory();
  root = directory.path;
  git(root, "init", "--quiet");
  write(".gitignore", "node_modules/\n*.log\n");
  write("src/a.ts", "1");
  write("node_modules/x/index.js", "1");
  [told, waiting, failures] = [[], [], []];
});
afterEach(() => {
  watch?.[Symbol.dispose]();
  directory[Symbol.dispose]();
});

function write(path: string, content: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), content);
}

async function start(isGit = true): Promise<void> {
  watch = await watchWorkingTree({
    root,
    isGit,
    quietMs: 20,
    onChange(paths) {
      told.push([...paths]);
      for (const resolve of waiting.splice(0)) resolve();
    },
    onError: (error) => failures.push(error),
  });
}

/** All that is told until `path` is. */
async function toldUntil(path: string): Promise<string[]> {
  for (;;) {
    const paths = told.flat();
    if (paths.includes(path)) {
      told = [];
      return [...new Set(paths)].toSorted();
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  }
}

describe("watchWorkingTree", () => {
  it("tells of changed, new and removed files, a burst of them at once", async () => {
    await start();
    for (let i = 0; i < 5; i += 1) write(`src/${i}.ts`, String(i));
    write("src/a.ts", "2");
    expect(await toldUntil("src/a.ts")).toEqual([
      "src/0.ts",
      "src/1.ts",
      "src/2.ts",
      "src/3.ts",
      "src/4.ts",
      "src/a.ts",
    ]);
    rmSync(join(root, "src/a.ts"));
    expect(await toldUntil("src/a.ts")).toEqual(["src/a.ts"]);
  });

  it("tells nothing of what git ignores, nor of git's own files", async () => {
    await start();
    write("node_modules/x/index.js", "2");
    write("node_modules/new/deep/y.js", "2");
    write("src/out.log", "x");
    git(root, "add", ".");
    write("last", "x");
    expect(await toldUntil("last")).toEqual(["last"]);
  });

  it("does not even watch them", async () => {
    for (let i = 0; i < 50; i += 1) write(`node_modules/p${i}/index.js`, "");
    await start();
    // The root and `src`.
    expect(watch?.size()).toBe(2);
  });

  it("follows directories that are made, moved in, moved and removed", async () => {
    await start();
    write("src/deep/er/b.ts", "1");
    await toldUntil("src/deep");
    write("src/deep/er/b.ts", "2");
    expect(await toldUntil("src/deep/er/b.ts")).toEqual(["src/deep/er/b.ts"]);
    renameSync(join(root, "src/deep"), join(root, "moved"));
    await toldUntil("moved");
    write("moved/er/b.ts", "3");
    expect(await toldUntil("moved/er/b.ts")).toEqual(["moved/er/b.ts"]);
    expect(watch?.size()).toBe(4);
    rmSync(join(root, "moved"), { recursive: true });
    expect(await toldUntil("moved")).toEqual(["moved"]);
    expect(watch?.size()).toBe(2);
  });

  it("tells of a tracked file although a rule would ignore it, and of what is no longer ignored", async () => {
    write("kept.log", "1");
    git(root, "add", "--force", "kept.log");
    await start();
    write("kept.log", "2");
    expect(await toldUntil("kept.log")).toEqual(["kept.log"]);
    write(".gitignore", "*.log\n");
    await toldUntil(".gitignore");
    write("node_modules/x/index.js", "2");
    expect(await toldUntil("node_modules/x/index.js")).toEqual(["node_modules/x/index.js"]);
  });

  it("leaves another repository inside alone, and follows no symbolic link", async () => {
    const sub = join(root, "sub");
    mkdirSync(sub);
    git(sub, "init", "--quiet");
    writeFileSync(join(sub, "f"), "1");
    git(sub, "add", "f");
    git(sub, "commit", "--quiet", "--message", "one");
    git(root, "add", ".");
    symlinkSync("/etc", join(root, "link"));
    await start();
    writeFileSync(join(sub, "f"), "2");
    write("last", "x");
    expect(await toldUntil("last")).toEqual(["last"]);
    expect(failures).toEqual([]);
  });

  it("watches everything where there is no git, and nothing when it is closed", async () => {
    await start(false);
    write("src/out.log", "x");
    expect(await toldUntil("src/out.log")).toEqual(["src/out.log"]);
    expect(watchedDirectories()).toBe(watch?.size());
    watch?.[Symbol.dispose]();
    // Handles are gone after the close callbacks, which come after the first of these.
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(watchedDirectories()).toBe(0);
  });
});

function watchedDirectories(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "FSEventWrap").length;
}
