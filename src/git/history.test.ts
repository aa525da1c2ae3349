import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { changedFiles, readHistory } from "./history.ts";
import { commit, createRepository, createTestDirectory, git, writeFiles } from "./repository.fixture.ts";
import type { TestDirectory } from "./repository.fixture.ts";
import { describeDirectory, describeRepository } from "./repository.ts";

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

/** As if the branch had been pushed. */
function push(branch: string): void {
  git(root, "update-ref", `refs/remotes/origin/${branch}`, branch);
}

async function history(event = "push", refs: readonly string[] = []) {
  const read = await readHistory(await describeRepository(root), event, refs);
  if (read === undefined) throw new Error("no history");
  return read;
}

/** What the event made of the working tree changes. */
async function changed(event = "push"): Promise<readonly string[] | undefined> {
  const { base } = await history(event);
  return await changedFiles(await describeRepository(root), { from: base, to: undefined, sinceMergeBase: false });
}

describe("readHistory", () => {
  it("begins a push at what origin has, and lists the commits since then, oldest first", async () => {
    const pushed = createRepository(root, { a: "1" });
    push("main");
    const second = commit(root, { a: "2" }, "second\n\nwith a body");
    const third = commit(root, { a: "3" }, "third");
    const { base, commits } = await history();
    expect(base).toBe(pushed);
    expect(commits).toMatchObject([
      { sha: second, message: "second\n\nwith a body" },
      { sha: third, message: "third" },
    ]);
    expect(commits[0]).toEqual({
      sha: second,
      tree: git(root, "rev-parse", `${second}^{tree}`),
      message: "second\n\nwith a body",
      author: { name: "Ada", email: "ada@example.com", date: "2023-11-14T23:13:20+01:00" },
      committer: { name: "Ada", email: "ada@example.com", date: "2023-11-14T23:13:20+01:00" },
    });
  });

  it("takes the last commit for a push where origin has everything, or there is no origin", async () => {
    const first = createRepository(root, { a: "1" });
    expect(await history()).toMatchObject({ base: undefined, commits: [{ sha: first }] });
    const second = commit(root, { a: "2" });
    expect(await history()).toMatchObject({ base: first, commits: [{ sha: second }] });
    push("main");
    expect(await history()).toMatchObject({ base: first, commits: [{ sha: second }] });
  });

  it("begins a pull request where the branch left the default one", async () => {
    const fork = createRepository(root, { a: "1" });
    git(root, "checkout", "-q", "-b", "topic");
    const own = [commit(root, { b: "1" }), commit(root, { b: "2" })];
    push("topic");
    git(root, "checkout", "-q", "main");
    const main = commit(root, { c: "1" });
    git(root, "checkout", "-q", "topic");
    const { base, commits, tips } = await history("pull_request");
    expect(base).toBe(fork);
    expect(commits.map(({ sha }) => sha)).toEqual(own);
    expect(tips).toMatchObject({ "refs/heads/main": main, "refs/heads/topic": own[1] });
    expect(await changed("pull_request")).toEqual(["b"]);
  });

  it("makes a pull request on the default branch one of the last commit", async () => {
    const first = createRepository(root, { a: "1" });
    const second = commit(root, { b: "1" });
    expect(await history("pull_request")).toMatchObject({ base: first, commits: [{ sha: second }] });
    expect(await changed("pull_request")).toEqual(["b"]);
  });

  it("knows branches and tags by name, tags that are objects by their commit, and origin's", async () => {
    const first = createRepository(root, { a: "1" });
    git(root, "tag", "-a", "-m", "annotated", "v1");
    commit(root, { a: "2" });
    git(root, "update-ref", "refs/remotes/origin/next", first);
    const { tips } = await history("release", ["refs/tags/v1", "refs/heads/next", "refs/heads/none"]);
    expect(tips).toMatchObject({ "refs/tags/v1": first, "refs/remotes/origin/next": first });
    expect(tips).not.toHaveProperty("refs/heads/none");
  });

  it("names the tag at HEAD for a release, and asks for it otherwise not", async () => {
    createRepository(root, { a: "1" });
    expect((await history("release")).tag).toBeUndefined();
    git(root, "tag", "v2");
    expect((await history("release")).tag).toBe("v2");
    expect((await history("push")).tag).toBeUndefined();
  });

  it("takes names and messages as they are", async () => {
    createRepository(root, { a: "1" });
    push("main");
    git(
      root,
      "-c",
      'user.name=Ünï "x" <y',
      "commit",
      "-q",
      "--allow-empty",
      "--cleanup=verbatim",
      "-m",
      "a\x01b\n\n\n`$(x)`",
    );
    const { commits } = await history();
    expect(commits.map(({ message }) => message)).toEqual(["a\x01b\n\n\n`$(x)`"]);
  });

  it("has nothing before the first commit, and nothing without git", async () => {
    createRepository(root, {});
    expect(await readHistory(await describeRepository(root), "push", [])).toBeUndefined();
    expect(await readHistory(await describeDirectory(root), "push", [])).toBeUndefined();
  });
});

describe("changedFiles", () => {
  it("gives what HEAD changed against its first parent and what is not committed, once each", async () => {
    createRepository(root, { a: "1", b: "1", c: "1" });
    commit(root, { a: "2", "dir/näme": "1" });
    git(root, "rm", "-q", "b");
    writeFiles(root, { a: "3", new: "" });
    expect(await changed()).toEqual(["a", "b", "dir/näme", "new"]);
  });

  it("gives what all commits of the push changed", async () => {
    createRepository(root, { a: "1" });
    push("main");
    commit(root, { b: "1" });
    commit(root, { c: "1" });
    expect(await changed()).toEqual(["b", "c"]);
  });

  it("counts everything as changed by a first commit", async () => {
    createRepository(root, { a: "1", "d/b": "1" });
    expect(await changed()).toEqual(["a", "d/b"]);
  });

  it("compares a merge with its first parent", async () => {
    createRepository(root, { a: "1" });
    git(root, "checkout", "-q", "-b", "side");
    commit(root, { side: "1" });
    git(root, "checkout", "-q", "main");
    commit(root, { main: "1" });
    git(root, "merge", "-q", "--no-edit", "side");
    expect(await changed()).toEqual(["side"]);
  });

  it("compares the commits that a payload names: two-dot of a push, since the merge base of a pull request", async () => {
    const fork = createRepository(root, { a: "1" });
    git(root, "checkout", "-q", "-b", "topic");
    const topic = commit(root, { b: "1" });
    git(root, "checkout", "-q", "main");
    const main = commit(root, { c: "1" });
    writeFiles(root, { uncommitted: "" });
    const repository = await describeRepository(root);
    const between = (sinceMergeBase: boolean) => changedFiles(repository, { from: main, to: topic, sinceMergeBase });
    expect(await between(false)).toEqual(["b", "c"]);
    expect(await between(true)).toEqual(["b"]);
    expect(await changedFiles(repository, { from: `${topic}^`, to: topic, sinceMergeBase: false })).toEqual(["b"]);
    expect(await changedFiles(repository, { from: undefined, to: fork, sinceMergeBase: false })).toEqual(["a"]);
  });

  it("does not know what changed between commits that are not here", async () => {
    const sha = createRepository(root, { a: "1" });
    const repository = await describeRepository(root);
    const gone = "1".repeat(40);
    expect(await changedFiles(repository, { from: gone, to: sha, sinceMergeBase: false })).toBeUndefined();
    expect(await changedFiles(repository, { from: sha, to: gone, sinceMergeBase: true })).toBeUndefined();
  });

  it("does not know what changed in a shallow clone that ends at HEAD, nor without git", async () => {
    createRepository(root, { a: "1" });
    commit(root, { a: "2" });
    git(directory.path, "clone", "-q", "--depth=1", `file://${root}`, "shallow");
    root = join(directory.path, "shallow");
    expect(await changed()).toBeUndefined();
    const plain = join(directory.path, "plain");
    writeFiles(plain, { a: "1" });
    const range = { from: undefined, to: undefined, sinceMergeBase: false };
    expect(await changedFiles(await describeRepository(plain), range)).toBeUndefined();
  });

  it("does not look through more than a thousand commits", async () => {
    const first = createRepository(root, { a: "1" });
    const commits = Array.from({ length: 1_001 }, (_, index) => {
      const from = index === 0 ? `from ${first}\n` : "";
      return `commit refs/heads/main\ncommitter A <a@b> ${1_700_000_000 + index} +0000\ndata 1\nx\n${from}`;
    });
    const stream = commits.join("\n");
    writeFiles(directory.path, { stream });
    git(root, "-c", "alias.load=!git fast-import --quiet < ../stream", "load");
    const repository = await describeRepository(root);
    const since = (from: string) => changedFiles(repository, { from, to: undefined, sinceMergeBase: false });
    expect(await since(first)).toBeUndefined();
    expect(await since(`${repository.headSha}~1000`)).toEqual([]);
  });
});
