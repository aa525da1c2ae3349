import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { commit, createRepository, createTestDirectory, fingerprint, git, writeFiles } from "./repository.fixture.ts";
import type { TestDirectory } from "./repository.fixture.ts";
import { describeRepository } from "./repository.ts";
import { snapshotWorkingTree } from "./working-tree.ts";
import type { Snapshot } from "./working-tree.ts";

let directory: TestDirectory;
let root: string;
let scratches = 0;

beforeEach(() => {
  directory = createTestDirectory();
  root = join(directory.path, "hello");
  vi.stubEnv("GIT_CONFIG_GLOBAL", "/dev/null");
});

afterEach(() => {
  vi.unstubAllEnvs();
  directory[Symbol.dispose]();
});

/** Takes the snapshot, and in every test proves that nothing in the working tree or its `.git` was touched by it. */
async function snapshot(at: string, gitDir = at): Promise<Snapshot> {
  const before = [fingerprint(at), fingerprint(gitDir)];
  const taken = await snapshotWorkingTree(await describeRepository(at), join(directory.path, `scratch-${++scratches}`));
  expect([fingerprint(at), fingerprint(gitDir)]).toEqual(before);
  return taken;
}

/** Path to `mode content`, or `mode commit` for a submodule, as a clone of the snapshot has it. */
function treeOf({ gitDir, sha }: Snapshot): { [path: string]: string } {
  const entries = git(gitDir, "ls-tree", "-r", "-z", sha).split("\0").filter(Boolean);
  return Object.fromEntries(
    entries.map((entry) => {
      const [, mode = "", kind = "", object = "", path = ""] = /^(\d+) (\w+) (\w+)\t(.*)$/s.exec(entry) ?? [];
      return [path, `${mode} ${kind === "commit" ? object : git(gitDir, "cat-file", "blob", object)}`];
    }),
  );
}

describe("snapshotWorkingTree", () => {
  it("gives HEAD itself for a clean working tree", async () => {
    const sha = createRepository(root, { a: "1" });
    const taken = await snapshot(root);
    expect(taken).toMatchObject({ sha, clean: true });
    expect(git(taken.gitDir, "rev-parse", "HEAD", "refs/heads/main")).toBe(`${sha}\n${sha}`);
  });

  it("holds changed, staged, new and removed files, and not what is ignored anywhere", async () => {
    createRepository(root, { ".gitignore": "*.log\n", a: "1", b: "1", c: "1", "d/e": "1" });
    writeFileSync(join(root, ".git/info/exclude"), "private\n");
    writeFiles(root, { a: "2", b: "staged", "new/file": "n", "x.log": "", private: "" });
    git(root, "add", "b");
    writeFiles(root, { b: "after staging" });
    rmSync(join(root, "c"));
    git(root, "rm", "-q", "d/e");
    const taken = await snapshot(root);
    expect(taken.clean).toBe(false);
    expect(treeOf(taken)).toEqual({
      ".gitignore": "100644 *.log",
      a: "100644 2",
      b: "100644 after staging",
      "new/file": "100644 n",
    });
  });

  it("is not clean when only the index differs from HEAD", async () => {
    createRepository(root, { a: "1" });
    git(root, "rm", "-q", "--cached", "a");
    rmSync(join(root, "a"));
    expect((await snapshot(root)).clean).toBe(false);
  });

  it("honours the ignore file of the user's own configuration", async () => {
    createRepository(root, { a: "1" });
    writeFiles(directory.path, { config: `[core]\n\texcludesFile = ${directory.path}/ignore\n`, ignore: ".idea\n" });
    vi.stubEnv("GIT_CONFIG_GLOBAL", join(directory.path, "config"));
    writeFiles(root, { ".idea/workspace.xml": "" });
    expect((await snapshot(root)).clean).toBe(true);
  });

  it("keeps modes, symbolic links, and names that are hard to write", async () => {
    createRepository(root, { a: "1", link: "a file first", dir: "a file first" });
    chmodSync(join(root, "a"), 0o755);
    rmSync(join(root, "link"));
    symlinkSync("/etc/passwd", join(root, "link"));
    rmSync(join(root, "dir"));
    writeFiles(root, {
      "dir/inside": "1",
      "-rf": "1",
      "--stdin": "1",
      "new\nline": "1",
      'tab\t"quote\\': "1",
      "ä ö": "1",
      ":(top)x*": "1",
    });
    expect(treeOf(await snapshot(root))).toEqual({
      a: "100755 1",
      link: "120000 /etc/passwd",
      "dir/inside": "100644 1",
      "-rf": "100644 1",
      "--stdin": "100644 1",
      "new\nline": "100644 1",
      'tab\t"quote\\': "100644 1",
      "ä ö": "100644 1",
      ":(top)x*": "100644 1",
    });
  });

  it("takes what stands where a file was: a directory, an empty one, a link to a directory", async () => {
    createRepository(root, { file: "1", empty: "1", "dir/a": "1", "dir/b": "1", elsewhere: "1", "d/e/f": "1" });
    for (const path of ["file", "empty", "dir", "d"]) rmSync(join(root, path), { recursive: true });
    writeFiles(root, { "file/inside": "2", "other/a": "different", d: "now a file" });
    mkdirSync(join(root, "empty"));
    symlinkSync("other", join(root, "dir"));
    expect(treeOf(await snapshot(root))).toEqual({
      "file/inside": "100644 2",
      "other/a": "100644 different",
      dir: "120000 other",
      elsewhere: "100644 1",
      d: "100644 now a file",
    });
  });

  it("takes names that are not UTF-8 as the bytes they are", async () => {
    createRepository(root, { a: "1" });
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.of(0xff, 0xfe)]), "1");
    const { gitDir, sha } = await snapshot(root);
    const names = execFileSync("git", ["ls-tree", "-z", "--name-only", sha], { cwd: gitDir });
    expect(names.includes(Buffer.of(0xff, 0xfe, 0))).toBe(true);
  });

  it("has HEAD as parent, fixed words and dates, and so the same sha for the same tree", async () => {
    const head = createRepository(root, { a: "1" });
    writeFiles(root, { a: "2" });
    const [first, second] = [await snapshot(root), await snapshot(root)];
    expect(second.sha).toBe(first.sha);
    expect(git(first.gitDir, "log", "-1", "--format=%P|%an <%ae>|%cn|%at %ct|%B", first.sha)).toBe(
      `${head}|Hearth <hearth@localhost>|Hearth|1700000000 1700000000|Working tree with uncommitted changes`,
    );
  });

  it("shows branches and tags as they are, with the branch of HEAD moved", async () => {
    const head = createRepository(root, { a: "1" });
    git(root, "branch", "feature/x");
    git(root, "tag", "light");
    git(root, "tag", "-a", "-m", "note", "heavy");
    git(root, "pack-refs", "--all");
    writeFiles(root, { a: "2" });
    const { gitDir, sha } = await snapshot(root);
    expect(git(gitDir, "for-each-ref", "--format=%(refname) %(objectname)").split("\n")).toEqual([
      `refs/heads/feature/x ${head}`,
      `refs/heads/main ${sha}`,
      `refs/tags/heavy ${git(root, "rev-parse", "heavy")}`,
      `refs/tags/light ${head}`,
    ]);
    expect(git(gitDir, "rev-parse", "HEAD", "heavy^{commit}")).toBe(`${sha}\n${head}`);
    git(gitDir, "fsck", "--strict");
  });

  it("puts the tag of a detached HEAD at the commit too, so that the run's ref and sha agree", async () => {
    createRepository(root, { a: "1" });
    git(root, "tag", "v1");
    git(root, "checkout", "-q", "v1");
    writeFiles(root, { a: "2" });
    const { gitDir, sha } = await snapshot(root);
    expect(git(gitDir, "rev-parse", "HEAD", "refs/tags/v1")).toBe(`${sha}\n${sha}`);
  });

  it("works before the first commit, without an index, and without git", async () => {
    createRepository(root, {});
    writeFiles(root, { a: "1", "d/b": "2" });
    const unborn = await snapshot(root);
    const plain = join(directory.path, "plain");
    writeFiles(plain, { a: "1", "d/b": "2", ".gitignore": "skip\n", skip: "" });
    rmSync(join(plain, ".gitignore"));
    rmSync(join(plain, "skip"));
    const without = await snapshot(plain);
    expect(treeOf(unborn)).toEqual({ a: "100644 1", "d/b": "100644 2" });
    expect(without.sha).toBe(unborn.sha);
    expect(git(without.gitDir, "rev-parse", "refs/heads/main")).toBe(without.sha);
  });

  it("honours .gitignore where there is no git", async () => {
    writeFiles(root, { a: "1", ".gitignore": "node_modules\n", "node_modules/x": "" });
    expect(Object.keys(treeOf(await snapshot(root)))).toEqual([".gitignore", "a"]);
  });

  it("works from a linked worktree", async () => {
    createRepository(root, { a: "1" });
    const linked = join(directory.path, "linked");
    git(root, "worktree", "add", "-q", "-b", "side", linked);
    writeFiles(linked, { b: "2" });
    const taken = await snapshot(linked, root);
    expect(treeOf(taken)).toEqual({ a: "100644 1", b: "100644 2" });
    expect(git(taken.gitDir, "symbolic-ref", "HEAD")).toBe("refs/heads/side");
  });

  it("works from a shallow clone, and can be fetched from", async () => {
    createRepository(root, { a: "1" });
    commit(root, { a: "2" });
    const shallow = join(directory.path, "shallow");
    git(directory.path, "clone", "-q", "--depth=1", `file://${root}`, shallow);
    writeFiles(shallow, { b: "1" });
    const taken = await snapshot(shallow);
    git(directory.path, "clone", "-q", `file://${taken.gitDir}`, "clone");
    expect(git(join(directory.path, "clone"), "rev-list", "--count", "HEAD")).toBe("2");
  });

  it("keeps a submodule as the commit it is at, whatever is changed inside it", async () => {
    const library = join(directory.path, "library");
    createRepository(library, { l: "1" });
    createRepository(root, { a: "1" });
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library, "lib");
    commit(root, {});
    const moved = commit(join(root, "lib"), { l: "2" });
    writeFiles(root, { "lib/l": "dirty", "lib/untracked": "" });
    expect(treeOf(await snapshot(root))).toMatchObject({ a: "100644 1", lib: `160000 ${moved}` });
    const inside = await snapshot(join(root, "lib"), join(root, ".git"));
    expect(treeOf(inside)).toEqual({ l: "100644 dirty", untracked: "100644 " });
  });

  it("leaves out a repository inside the working tree that is no submodule of it", async () => {
    createRepository(root, { a: "1" });
    createRepository(join(root, "inner"), { b: "1" });
    expect((await snapshot(root)).clean).toBe(true);
  });

  it("takes the files as they are in the middle of a merge, with HEAD as the only parent", async () => {
    createRepository(root, { both: "base\n", gone: "1" });
    git(root, "checkout", "-q", "-b", "other");
    git(root, "rm", "-q", "gone");
    commit(root, { both: "theirs\n" });
    git(root, "checkout", "-q", "main");
    const head = commit(root, { both: "ours\n", gone: "2" });
    expect(() => git(root, "merge", "other")).toThrow("Command failed");
    const taken = await snapshot(root);
    expect(treeOf(taken)["both"]).toContain("<<<<<<< HEAD");
    expect(treeOf(taken)["gone"]).toBe("100644 2");
    expect(git(taken.gitDir, "log", "-1", "--format=%P", taken.sha)).toBe(head);
  });

  it("works with a split index, a sparse checkout, and objects that are borrowed or packed", async () => {
    createRepository(root, { "in/a": "1", "out/b": "1" });
    git(root, "gc", "-q");
    git(directory.path, "clone", "-q", "--shared", root, "borrower");
    const borrower = join(directory.path, "borrower");
    git(borrower, "update-index", "--split-index");
    git(borrower, "sparse-checkout", "set", "--cone", "--sparse-index", "in");
    expect(existsSync(join(borrower, "out"))).toBe(false);
    expect((await snapshot(borrower)).clean).toBe(true);
    writeFiles(borrower, { "in/a": "2" });
    expect(treeOf(await snapshot(borrower))).toEqual({ "in/a": "100644 2", "out/b": "100644 1" });
  });

  it("works where objects are named by SHA-256", async () => {
    mkdirSync(root);
    git(root, "init", "-q", "-b", "main", "--object-format=sha256");
    const head = commit(root, { a: "1" });
    expect((await snapshot(root)).sha).toBe(head);
    writeFiles(root, { a: "2" });
    expect((await snapshot(root)).sha).toMatch(/^[0-9a-f]{64}$/);
  });

  it("works in a directory whose name means something to the alternates file", async () => {
    const odd = join(directory.path, '#a "b" \\n:\nc');
    createRepository(odd, { a: "1" });
    writeFiles(odd, { b: "1" });
    expect(treeOf(await snapshot(odd))).toEqual({ a: "100644 1", b: "100644 1" });
  });

  it("follows core.autocrlf as a commit would", async () => {
    createRepository(root, { a: "1\n" });
    git(root, "config", "core.autocrlf", "true");
    writeFiles(root, { a: "1\r\n" });
    expect((await snapshot(root)).clean).toBe(true);
  });

  it("runs no filter, hook or monitor, neither of the repository nor of a submodule nor of the user", async () => {
    const canary = join(directory.path, "canary");
    const touch = `touch ${canary}`;
    const library = join(directory.path, "library");
    createRepository(library, { ".gitattributes": "* filter=evil\n", l: "1" });
    createRepository(root, { ".gitattributes": "*.bin filter=lfs\n*.x filter=evil\n", "a.bin": "pointer", "b.x": "1" });
    git(root, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library, "lib");
    commit(root, {});
    for (const at of [root, join(root, "lib")]) {
      for (const key of ["filter.evil.clean", "filter.evil.process", "core.fsmonitor", "core.sshCommand"])
        git(at, "config", key, touch);
      git(at, "config", "filter.evil.required", "true");
    }
    mkdirSync(join(root, ".git/hooks"), { recursive: true });
    for (const hook of ["post-index-change", "pre-commit", "reference-transaction", "post-commit"]) {
      writeFileSync(join(root, ".git/hooks", hook), `#!/bin/sh\n${touch}\n`, { mode: 0o755 });
    }
    writeFiles(directory.path, {
      config: `[filter "lfs"]\n\tclean = ${touch}\n\tprocess = ${touch}\n\trequired = true\n`,
    });
    vi.stubEnv("GIT_CONFIG_GLOBAL", join(directory.path, "config"));
    writeFiles(root, { "a.bin": "the content", "b.x": "2", "lib/l": "3" });
    const taken = await snapshot(root);
    expect(existsSync(canary)).toBe(false);
    expect(treeOf(taken)).toMatchObject({ "a.bin": "100644 the content", "b.x": "100644 2" });
  });

  it("does not look at stale locks that a killed git left behind", async () => {
    createRepository(root, { a: "1" });
    writeFiles(root, { a: "2", ".git/index.lock": "", ".git/HEAD.lock": "" });
    expect(treeOf(await snapshot(root))).toEqual({ a: "100644 2" });
  });

  it("says which file cannot be read", async () => {
    createRepository(root, { a: "1" });
    renameSync(join(root, ".git/objects"), join(root, ".git/objects-away"));
    await expect(
      snapshotWorkingTree({ ...(await describePlain()), isGit: true }, join(directory.path, "s")),
    ).rejects.toMatchObject({
      code: "GIT_FAILED",
    });
  });
});

async function describePlain() {
  const plain = join(directory.path, "plain");
  writeFiles(plain, { a: "1" });
  return { ...(await describeRepository(plain)), root };
}
