import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EngineError } from "../lib/engine-error.ts";
import { commit, createRepository, createTestDirectory, fingerprint, git, writeFiles } from "./repository.fixture.ts";
import type { TestDirectory } from "./repository.fixture.ts";
import { uncommittedFiles } from "./uncommitted-files.ts";
import { changedFiles, readHistory } from "./history.ts";
import { describeRepository } from "./repository.ts";

let directory: TestDirectory;
let root: string;

beforeEach(() => {
  directory = createTestDirectory();
  root = join(directory.path, "hello");
  vi.stubEnv("GIT_CONFIG_GLOBAL", "/dev/null");
});

afterEach(() => {
  vi.unstubAllEnvs();
  directory[Symbol.dispose]();
});

describe("describeRepository", () => {
  it("names branch, commit, message, owner and name of a repository with a remote", async () => {
    const sha = createRepository(root, { "a.txt": "a" });
    git(root, "remote", "add", "origin", "git@github.com:octo/hi.git");
    expect(await describeRepository(root)).toEqual({
      root,
      isGit: true,
      headSha: sha,
      ref: "refs/heads/main",
      defaultBranch: "main",
      owner: "octo",
      name: "hi",
      remoteUrl: "git@github.com:octo/hi.git",
      headCommitMessage: "change",
    });
  });

  it("finds the repository from a directory inside it, and through a symbolic link", async () => {
    createRepository(root, { "deep/er/a.txt": "a" });
    symlinkSync(join(root, "deep"), join(directory.path, "link"));
    expect((await describeRepository(join(root, "deep/er"))).root).toBe(root);
    expect((await describeRepository(join(directory.path, "link"))).root).toBe(root);
  });

  it("takes a directory without git as a repository that has no commit", async () => {
    writeFiles(root, { "a.txt": "a" });
    expect(await describeRepository(root)).toMatchObject({
      root,
      isGit: false,
      headSha: undefined,
      ref: "refs/heads/main",
      owner: "local",
      name: "hello",
    });
  });

  it("takes a repository before its first commit", async () => {
    createRepository(root, {});
    git(root, "checkout", "-q", "-b", "trunk");
    writeFiles(root, { "a.txt": "a" });
    const repository = await describeRepository(root);
    expect(repository).toMatchObject({
      isGit: true,
      headSha: undefined,
      ref: "refs/heads/trunk",
      defaultBranch: "trunk",
    });
    expect(repository.headCommitMessage).toBe("");
    expect(await readHistory(repository, "push", [])).toBeUndefined();
  });

  it("gives a detached HEAD the first tag that points to it, else the default branch", async () => {
    createRepository(root, { "a.txt": "a" });
    git(root, "checkout", "-q", "--detach");
    commit(root, { "a.txt": "b" });
    expect((await describeRepository(root)).ref).toBe("refs/heads/main");
    git(root, "tag", "v2");
    git(root, "tag", "-a", "-m", "annotated", "v1");
    expect((await describeRepository(root)).ref).toBe("refs/tags/v1");
  });

  it("takes the default branch from origin, else main or master, else the branch at hand", async () => {
    createRepository(root, { "a.txt": "a" });
    git(root, "branch", "-m", "trunk");
    expect((await describeRepository(root)).defaultBranch).toBe("trunk");
    git(root, "branch", "master");
    expect((await describeRepository(root)).defaultBranch).toBe("master");
    git(root, "update-ref", "refs/remotes/origin/release/1", "HEAD");
    git(root, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/release/1");
    expect((await describeRepository(root)).defaultBranch).toBe("release/1");
  });

  it("keeps a message of many paragraphs whole", async () => {
    createRepository(root, {});
    commit(root, { a: "a" }, "title [skip ci]\n\nbody\n\nskip-checks: true");
    expect((await describeRepository(root)).headCommitMessage).toBe("title [skip ci]\n\nbody\n\nskip-checks: true");
  });

  it("lists what is staged, changed, removed, new, and in conflict, but not what is ignored", async () => {
    createRepository(root, { ".gitignore": "*.log\n", "changed x": "1", gone: "1", both: "1" });
    git(root, "checkout", "-q", "-b", "other");
    commit(root, { both: "theirs" });
    git(root, "checkout", "-q", "main");
    commit(root, { both: "ours" });
    expect(() => git(root, "merge", "other")).toThrow("Command failed");
    writeFiles(root, { "changed x": "2", "new/deep file": "", "-dash": "", "new\nline": "", "x.log": "" });
    git(root, "add", "--", "-dash");
    git(root, "rm", "-q", "gone");
    const expected = ["-dash", "both", "changed x", "gone", "new\nline", "new/deep file"];
    expect((await uncommittedFiles(root)).toSorted()).toEqual(expected);
  });

  it("refuses a working tree that the repository's own configuration put elsewhere", async () => {
    createRepository(root, { a: "a" });
    git(root, "config", "core.worktree", directory.path);
    await expect(describeRepository(root)).rejects.toThrow(EngineError);
    await expect(describeRepository(root)).rejects.toMatchObject({ code: "GIT_FAILED" });
  });

  it("says what git says of a repository that is broken, instead of taking it for a plain directory", async () => {
    mkdirSync(join(root, ".git"), { recursive: true });
    await expect(describeRepository(root)).rejects.toMatchObject({ code: "GIT_FAILED" });
  });

  it("is not led elsewhere by the variables that git gives its hooks", async () => {
    const sha = createRepository(root, { a: "a" });
    const other = join(directory.path, "other");
    createRepository(other, { b: "b" });
    vi.stubEnv("GIT_DIR", join(other, ".git"));
    vi.stubEnv("GIT_INDEX_FILE", join(other, ".git/index"));
    vi.stubEnv("GIT_WORK_TREE", other);
    expect(await describeRepository(root)).toMatchObject({ root, headSha: sha });
  });

  it("runs nothing that the repository configures, and writes nothing", async () => {
    const canary = join(directory.path, "canary");
    plantPrograms(root, canary);
    const before = fingerprint(root);
    const repository = await describeRepository(root);
    const { base } = (await readHistory(repository, "pull_request", ["refs/heads/main"])) ?? {};
    await changedFiles(repository, { from: base, to: undefined, sinceMergeBase: true });
    expect(existsSync(canary)).toBe(false);
    expect(fingerprint(root)).toBe(before);
  });
});

/** Everything by which a repository can have git start a program when it is looked at: each would leave the canary. */
function plantPrograms(at: string, canary: string): void {
  createRepository(at, { ".gitattributes": "*.bin filter=evil diff=evil\n", "x.bin": "1", "y.txt": "1" });
  const touch = `touch ${canary}`;
  for (const [key, value] of [
    ["filter.evil.clean", touch],
    ["filter.evil.process", touch],
    ["filter.evil.required", "true"],
    ["core.fsmonitor", touch],
    ["core.sshCommand", touch],
    ["diff.evil.textconv", touch],
    ["diff.external", touch],
    ["log.showSignature", "true"],
    ["gpg.program", touch],
    ["core.pager", touch],
    ["core.hooksPath", join(at, "hooks")],
  ] as const) {
    git(at, "config", key, value);
  }
  mkdirSync(join(at, "hooks"));
  writeFileSync(join(at, "hooks/post-index-change"), `#!/bin/sh\n${touch}\n`, { mode: 0o755 });
  writeFiles(at, { "x.bin": "2", "y.txt": "22", "new.bin": "3" });
}
