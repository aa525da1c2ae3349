import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commit, createRepository, createTestDirectory, git, writeFiles } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { describeRepository } from "../git/repository.ts";
import { startGitServer } from "../select/git-server.fixture.ts";
import type { GitServer } from "../select/git-server.fixture.ts";
import { checkOut } from "./checkout.ts";
import { createMirrors, defaultBranchOf, findWanted } from "./mirror.ts";
import type { Mirrors, MirrorSettings } from "./mirror.ts";
import { startPlainGitServer } from "./plain-git-server.fixture.ts";
import { findLocalRepositories } from "./repository-path.ts";

const HELLO = { owner: "octo", name: "hello" };

let directory: TestDirectory;
let server: GitServer;
let work = "";
let bare = "";

beforeEach(async () => {
  directory = createTestDirectory();
  work = join(directory.path, "work");
  createRepository(work, { "a.txt": "one\n" });
  bare = join(directory.path, "served", "octo", "hello.git");
  mkdirSync(bare, { recursive: true });
  git(bare, "init", "-q", "--bare", "-b", "main");
  git(work, "remote", "add", "origin", bare);
  publish();
  server = await startGitServer(join(directory.path, "served"));
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

function publish(): void {
  git(work, "push", "-q", "--force", "--all", "origin");
  git(work, "push", "-q", "--force", "--tags", "origin");
}

function mirrors(changes: Partial<MirrorSettings> = {}): Mirrors {
  return createMirrors({
    directory: join(directory.path, "mirrors"),
    serverUrl: server.url,
    token: async () => undefined,
    local: [],
    retryAfterMs: 1,
    ...changes,
  });
}

const signal = AbortSignal.timeout(60_000);
const scratch = () => join(directory.path, "scratch");
const wishOf = (sha: string, ref = "") => ({ sha, ref, serverUrl: "https://github.com" });

/** As GitHub makes it of a pull request: base and head, in this order. */
function mergeAt(number: number, base: string, head: string): string {
  const merge = git(work, "commit-tree", "-p", base, "-p", head, "-m", "merge", `${head}^{tree}`);
  git(
    work,
    "push",
    "-q",
    "--force",
    "origin",
    `${merge}:refs/pull/${number}/merge`,
    `${head}:refs/pull/${number}/head`,
  );
  return merge;
}

describe("a mirror", () => {
  it("follows branches and tags of the server, and forgets those that are gone", async () => {
    const first = git(work, "rev-parse", "HEAD");
    git(work, "branch", "topic");
    git(work, "tag", "-a", "v1", "-m", "one");
    publish();
    const mirror = await mirrors().refresh(HELLO, undefined, signal);
    expect(await defaultBranchOf(mirror)).toBe("main");
    const found = { kind: "found", sha: first };
    expect(await findWanted(mirror, { kind: "default" }, "main")).toEqual({ ...found, ref: "refs/heads/main" });
    expect(await findWanted(mirror, { kind: "ref", ref: "v1" }, "main")).toEqual({ ...found, ref: "refs/tags/v1" });
    expect(await findWanted(mirror, { kind: "ref", ref: "topic" }, "main")).toEqual({
      ...found,
      ref: "refs/heads/topic",
    });
    const second = commit(work, { "a.txt": "two\n" });
    git(bare, "update-ref", "-d", "refs/heads/topic");
    git(work, "branch", "-D", "topic");
    publish();
    await mirrors().refresh(HELLO, undefined, signal);
    expect(await findWanted(mirror, { kind: "default" }, "main")).toMatchObject({ sha: second });
    expect(await findWanted(mirror, { kind: "ref", ref: "refs/heads/topic" }, "main")).toMatchObject({
      kind: "missing",
    });
    expect(await findWanted(mirror, { kind: "commit", sha: first, ref: "refs/heads/main" }, "main")).toMatchObject(
      found,
    );
  });

  it("takes no name for an option or another repository's", async () => {
    const mirror = await mirrors().refresh(HELLO, undefined, signal);
    for (const ref of ["--upload-pack=touch /tmp/pwn", "refs/heads/../../x", "-q", "main^{tree}", "HEAD@{1}"]) {
      expect(await findWanted(mirror, { kind: "ref", ref }, "main")).toMatchObject({ kind: "missing" });
    }
  });

  it("knows a branch by whatever name git allows, and keeps no other name of a commit", async () => {
    const sha = git(work, "rev-parse", "HEAD");
    git(work, "branch", "fix#12/für-alle_(neu)");
    publish();
    const mirror = await mirrors().refresh(HELLO, undefined, signal);
    const odd = await findWanted(mirror, { kind: "ref", ref: "fix#12/für-alle_(neu)" }, "main");
    expect(odd).toEqual({ kind: "found", sha, ref: "refs/heads/fix#12/für-alle_(neu)" });
    for (const ref of ["refs/heads/x\nevil", "a b", "..", "x.lock", "-x", sha]) {
      expect(await findWanted(mirror, { kind: "commit", sha, ref }, "main")).toMatchObject({ sha, ref: "" });
    }
  });

  it("has of a pull request the merge of exactly the head that was told", async () => {
    const base = git(work, "rev-parse", "HEAD");
    const [first, second] = [commit(work, { "b.txt": "1" }), commit(work, { "b.txt": "2" })];
    const merge = mergeAt(7, base, first);
    const wanted = { kind: "merge", number: 7, headSha: first, conflicts: false } as const;
    const mirror = await mirrors().refresh(HELLO, 7, signal);
    expect(await findWanted(mirror, wanted, "main")).toEqual({ kind: "found", sha: merge, ref: "refs/pull/7/merge" });
    mergeAt(7, base, second);
    await mirrors().refresh(HELLO, 7, signal);
    expect(await findWanted(mirror, wanted, "main")).toMatchObject({ kind: "missing", again: true });
    expect(await findWanted(mirror, { ...wanted, conflicts: true }, "main")).toMatchObject({ again: false });
    expect(await findWanted(mirror, { ...wanted, number: 8 }, "main")).toMatchObject({ again: true });
  });

  it("is fetched with a token that is asked for each time, and not kept", async () => {
    server.answer = "401 without s3cret";
    await expect(mirrors().refresh(HELLO, undefined, signal)).rejects.toMatchObject({ code: "GIT_FAILED" });
    const mirror = await mirrors({ token: async () => "s3cret" }).refresh(HELLO, undefined, signal);
    expect(readFileSync(join(mirror.directory, "config"), "utf8")).not.toContain("s3cret");
  });

  it("is fetched by several at once, one after another", async () => {
    const all = mirrors();
    const refreshed = await Promise.all(Array.from({ length: 4 }, () => all.refresh(HELLO, undefined, signal)));
    const found = await Promise.all(refreshed.map((mirror) => findWanted(mirror, { kind: "default" }, "main")));
    expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(["found"]));
  });

  it("may be of a path on this host, whatever has its name on the server", async () => {
    const elsewhere = createRepository(join(directory.path, "repositories", "mine"), { "b.txt": "mine\n" });
    git(join(directory.path, "repositories", "mine"), "remote", "add", "origin", "https://github.com/Octo/Hello.git");
    const local = await findLocalRepositories(join(directory.path, "repositories"));
    const mirror = await mirrors({ local }).refresh(HELLO, undefined, signal);
    expect(await findWanted(mirror, { kind: "default" }, "main")).toMatchObject({ sha: elsewhere });
    expect(server.requests).toEqual([]);
  });
});

/** What was pushed, and what was pushed over it before anybody fetched it. */
function overwrite(): { readonly gone: string; readonly sha: string } {
  const gone = commit(work, { "a.txt": "gone\n" });
  publish();
  git(work, "reset", "-q", "--hard", "HEAD~1");
  const sha = commit(work, { "a.txt": "instead\n" });
  publish();
  return { gone, sha };
}

const wantedOf = (sha: string) => ({ kind: "commit", sha, ref: "refs/heads/main" }) as const;

describe("a commit that no branch leads to any more", () => {
  it("is named in the error where the server gives only what its branches have", async () => {
    await using plain = await startPlainGitServer(join(directory.path, "served"));
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "false");
    const { gone } = overwrite();
    const all = mirrors({ serverUrl: plain.url });
    using mirror = await all.refresh(HELLO, undefined, signal);
    const message = expect.stringContaining(`commit ${gone} of octo/hello`);
    await expect(all.fetchCommit(mirror, gone, signal)).rejects.toMatchObject({ code: "GIT_FAILED", message });
    expect(await findWanted(mirror, wantedOf(gone), "main")).toMatchObject({ kind: "missing" });
  });

  it("is fetched by its id from a server that gives any commit, as GitHub does", async () => {
    await using plain = await startPlainGitServer(join(directory.path, "served"));
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true");
    const { gone, sha } = overwrite();
    const all = mirrors({ serverUrl: plain.url });
    using mirror = await all.refresh(HELLO, undefined, signal);
    const wanted = wantedOf(gone);
    expect(await findWanted(mirror, wanted, "main")).toMatchObject({ kind: "missing", again: true });
    await all.fetchCommit(mirror, gone, signal);
    expect(await findWanted(mirror, wanted, "main")).toEqual({ kind: "found", sha: gone, ref: "refs/heads/main" });
    await using checkout = await checkOut(mirror, wishOf(gone, "refs/heads/main"), scratch());
    expect(readFileSync(join(checkout.directory, "a.txt"), "utf8")).toBe("gone\n");
    expect(git(checkout.directory, "rev-parse", "origin/main")).toBe(sha);
    // What only has a name of ours is no branch of the repository.
    expect(git(checkout.directory, "for-each-ref", "refs/hearth")).toBe("");
    using again = await all.refresh(HELLO, undefined, signal);
    expect(await findWanted(again, wanted, "main")).toMatchObject({ kind: "found" });
  });

  it("is fetched from a path on this host, whatever that repository allows", async () => {
    const repositories = join(directory.path, "repositories");
    createRepository(join(repositories, "mine"), { "a.txt": "1" });
    const mine = join(repositories, "mine");
    git(mine, "remote", "add", "origin", "https://github.com/octo/hello.git");
    const gone = commit(mine, { "a.txt": "2" });
    git(mine, "reset", "-q", "--hard", "HEAD~1");
    const all = mirrors({ local: await findLocalRepositories(repositories) });
    using mirror = await all.withCommit(HELLO, gone, signal);
    await using checkout = await checkOut(mirror, wishOf(gone), scratch());
    expect(readFileSync(join(checkout.directory, "a.txt"), "utf8")).toBe("2");
  });

  it("comes back with a mirror that was lost", async () => {
    const { gone } = overwrite();
    using mirror = await mirrors().withCommit(HELLO, gone, signal);
    expect(await findWanted(mirror, { kind: "default" }, "main")).toMatchObject({ kind: "found" });
    expect(await findWanted(mirror, { kind: "commit", sha: gone, ref: "" }, "main")).toMatchObject({ kind: "found" });
    await expect(mirrors().withCommit(HELLO, "1".repeat(40), signal)).rejects.toMatchObject({
      code: "GIT_FAILED",
      message: expect.stringContaining("1".repeat(40)),
    });
  });
});

describe("repositories of this host", () => {
  it("are one, or those in a directory, bare or not, named by their remote or by their place", async () => {
    const at = (name: string) => join(directory.path, "here", name);
    createRepository(at("plain"), { a: "1" });
    createRepository(at("named"), { a: "1" });
    git(at("named"), "remote", "add", "origin", "git@github.com:o/r.git");
    git(directory.path, "init", "-q", "--bare", at("team/tool.git"));
    expect(await names(join(directory.path, "here"))).toEqual(["o/r", "local/plain", "team/tool"]);
    expect(await names(at("plain"))).toEqual(["local/plain"]);
    expect(await names(at("team/tool.git"))).toEqual(["local/tool"]);
  });
});

describe("a checkout", () => {
  it("is the commit's files, a clone's refs, and gone afterwards", async () => {
    const first = git(work, "rev-parse", "HEAD");
    commit(work, { "a.txt": "two\n", "c/d.txt": "deep\n" });
    git(work, "tag", "v1");
    publish();
    const mirror = await mirrors().refresh(HELLO, undefined, signal);
    {
      await using checkout = await checkOut(mirror, wishOf(first, "refs/heads/topic"), scratch());
      expect(readdirSync(checkout.directory).toSorted()).toEqual([".git", "a.txt"]);
      expect(readFileSync(join(checkout.directory, "a.txt"), "utf8")).toBe("one\n");
      expect(git(checkout.directory, "status", "--porcelain")).toBe("");
      expect(git(checkout.directory, "tag")).toBe("v1");
      expect(await describeRepository(checkout.directory)).toMatchObject({
        headSha: first,
        ref: "refs/heads/topic",
        defaultBranch: "main",
        owner: "octo",
        name: "hello",
      });
    }
    expect(readdirSync(scratch())).toEqual([]);
    await using detached = await checkOut(mirror, wishOf(first, "refs/pull/7/merge"), scratch());
    expect(git(detached.directory, "rev-parse", "HEAD", "refs/pull/7/merge")).toBe(`${first}\n${first}`);
  });

  it("starts nothing that the repository names", async () => {
    const pwned = join(directory.path, "pwned");
    writeFiles(work, {
      ".gitattributes": "* filter=evil diff=evil\n*.lfs filter=lfs\n",
      "big.lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
      ".gitmodules": `[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch ${pwned}"\n\tupdate = !touch ${pwned}\n`,
      ".githooks/post-checkout": `#!/bin/sh\ntouch ${pwned}\n`,
    });
    git(work, "update-index", "--add", "--cacheinfo", `160000,${git(work, "rev-parse", "HEAD")},x`);
    const sha = commit(work, {});
    publish();
    writeFiles(bare, { "hooks/post-checkout": `#!/bin/sh\ntouch ${pwned}\n` });
    const mirror = await mirrors().refresh(HELLO, undefined, signal);
    await using checkout = await checkOut(mirror, wishOf(sha, "refs/heads/main"), scratch());
    expect(readFileSync(join(checkout.directory, "big.lfs"), "utf8")).toContain("git-lfs");
    expect(existsSync(pwned)).toBe(false);
  });

  it("of a commit that the mirror does not have leaves nothing", async () => {
    const mirror = await mirrors().refresh(HELLO, undefined, signal);
    await expect(checkOut(mirror, wishOf("1".repeat(40)), scratch())).rejects.toMatchObject({ code: "GIT_FAILED" });
    expect(existsSync(scratch())).toBe(false);
  });
});

async function names(path: string): Promise<readonly string[]> {
  return (await findLocalRepositories(path)).map(({ owner, name }) => `${owner}/${name}`);
}
