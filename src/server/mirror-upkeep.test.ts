import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { commit, createRepository, createTestDirectory, git } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { startGitServer } from "../select/git-server.fixture.ts";
import type { GitServer } from "../select/git-server.fixture.ts";
import { checkOut } from "./checkout.ts";
import { createMirrors } from "./mirror.ts";
import type { Mirror, Mirrors } from "./mirror.ts";
import { tidyMirrors } from "./mirror-upkeep.ts";

const HELLO = { owner: "Octo", name: "Hello" };
const DAY = 24 * 3600_000;
const signal = AbortSignal.timeout(120_000);

let directory: TestDirectory;
let server: GitServer;
let mirrors: Mirrors;
let work = "";
let kept: string[] = [];

beforeEach(async () => {
  directory = createTestDirectory();
  work = join(directory.path, "work");
  createRepository(work, { "a.txt": "0\n" });
  const bare = join(directory.path, "served", "Octo", "Hello.git");
  mkdirSync(bare, { recursive: true });
  git(bare, "init", "-q", "--bare", "-b", "main");
  git(work, "remote", "add", "origin", bare);
  server = await startGitServer(join(directory.path, "served"));
  mirrors = createMirrors({
    directory: join(directory.path, "mirrors"),
    serverUrl: server.url,
    token: async () => undefined,
    local: [],
    retryAfterMs: 1,
  });
  kept = [];
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

/** Of so many pushes over one another, a fetch after each: their commits. */
async function pushOver(times: number): Promise<readonly string[]> {
  const commits: string[] = [];
  for (let time = 1; time <= times; time += 1) {
    commits.push(commit(work, { "a.txt": `${time}\n` }));
    git(work, "push", "-q", "--force", "origin", "main");
    using _ = await mirrors.refresh(HELLO, undefined, signal);
    if (time < times) git(work, "reset", "-q", "--hard", "HEAD~1");
  }
  return commits;
}

function tidy(daysLater = 0): ReturnType<typeof tidyMirrors> {
  const asked: string[] = [];
  return tidyMirrors(
    {
      directory: join(directory.path, "mirrors"),
      mirrors,
      commitsOf: (repository) => {
        asked.push(repository);
        return repository === "octo/hello" ? kept : [];
      },
      ageMs: 90 * DAY,
      now: () => Date.now() + daysLater * DAY,
    },
    signal,
  );
}

const mirror = (): Mirror => mirrors.at(HELLO);
const packs = (): readonly string[] =>
  readdirSync(join(mirror().directory, "objects", "pack")).filter((name) => name.endsWith(".pack"));
const has = (sha: string): boolean => {
  try {
    return git(mirror().directory, "--git-dir=.", "cat-file", "-t", sha) === "commit";
  } catch {
    return false;
  }
};

describe("a mirror", () => {
  it("is packed anew, keeps the commits of runs, and loses what nothing needs", async () => {
    const [gone = "", needed = "", last = ""] = await pushOver(3);
    expect(packs()).toHaveLength(3);
    kept = [needed, "1".repeat(40)];
    expect(await tidy()).toEqual({ packed: 1, removed: 0 });
    expect(packs()).toHaveLength(1);
    expect([gone, needed, last].map(has)).toEqual([false, true, true]);
    await using checkout = await checkOut(mirror(), { sha: needed, ref: "", serverUrl: "" }, join(directory.path, "s"));
    expect(readFileSync(join(checkout.directory, "a.txt"), "utf8")).toBe("2\n");
    // A run that is forgotten needs it no longer.
    kept = [];
    await pushOver(1);
    expect(await tidy()).toEqual({ packed: 0, removed: 0 });
    expect(await tidy(8)).toEqual({ packed: 1, removed: 0 });
    expect([needed, last].map(has)).toEqual([false, true]);
    expect(git(mirror().directory, "--git-dir=.", "fsck", "--full", "--strict")).toBe("");
  });

  it("is left as it is while a checkout reads from it", async () => {
    const [old = ""] = await pushOver(2);
    using held = await mirrors.withCommit(HELLO, old, signal);
    expect(await tidy(200)).toEqual({ packed: 0, removed: 0 });
    expect(has(old)).toBe(true);
    held[Symbol.dispose]();
    held[Symbol.dispose]();
    expect(await tidy()).toEqual({ packed: 1, removed: 0 });
    expect(has(old)).toBe(false);
  });

  it("of many packs gets few while a checkout reads from it, and loses nothing", async () => {
    const [old = "", last = ""] = await pushOver(2);
    const place = { cwd: mirror().directory, env: { ...process.env, GIT_DIR: mirror().directory } };
    const blobs = Array.from({ length: 60 }, (_, index) => {
      const blob = execFileSync("git", ["hash-object", "-w", "--stdin"], { ...place, input: `${index}` });
      execFileSync("git", ["pack-objects", "-q", "objects/pack/pack"], { ...place, input: blob });
      return blob.toString().trim();
    });
    execFileSync("git", ["prune-packed"], place);
    using held = await mirrors.withCommit(HELLO, old, signal);
    expect(await tidy()).toEqual({ packed: 1, removed: 0 });
    expect(packs().length).toBeLessThan(10);
    expect([old, last].map(has)).toEqual([true, true]);
    for (const blob of blobs) execFileSync("git", ["cat-file", "-e", blob], place);
    expect(await tidy()).toEqual({ packed: 0, removed: 0 });
    held[Symbol.dispose]();
    await pushOver(1);
    expect(await tidy(8)).toEqual({ packed: 1, removed: 0 });
    expect(has(old)).toBe(false);
  });

  it("is not read before it is packed by who comes meanwhile", async () => {
    const [old = ""] = await pushOver(4);
    kept = [old];
    const [tidied, ...held] = await Promise.all([
      tidy(),
      ...Array.from({ length: 3 }, () => mirrors.withCommit(HELLO, old, signal)),
    ]);
    expect(tidied.removed).toBe(0);
    expect(has(old)).toBe(true);
    for (const one of held) one[Symbol.dispose]();
  });

  it("goes when nobody has used it for long, whole, and comes back with the next delivery", async () => {
    const [sha = ""] = await pushOver(1);
    kept = [sha];
    expect(await tidy(89)).toEqual({ packed: 0, removed: 0 });
    expect(await tidy(91)).toEqual({ packed: 0, removed: 0 });
    kept = [];
    expect(await tidy(89)).toEqual({ packed: 0, removed: 0 });
    expect(await tidy(91)).toEqual({ packed: 0, removed: 1 });
    expect(existsSync(mirror().directory)).toBe(false);
    using again = await mirrors.withCommit(HELLO, sha, signal);
    expect(existsSync(again.directory)).toBe(true);
  });

  it("of which a crash left a part is swept", async () => {
    await pushOver(1);
    const left = `${mirror().directory}.removed`;
    mkdirSync(join(left, "objects"), { recursive: true });
    expect(await tidy()).toEqual({ packed: 0, removed: 0 });
    expect(existsSync(left)).toBe(false);
  });

  it("that cannot be packed is named, and holds up no other", async () => {
    await pushOver(2);
    const broken = join(directory.path, "mirrors", "a", "broken.git");
    git(directory.path, "init", "-q", "--bare", broken);
    for (const name of ["pack-1.pack", "pack-2.pack"]) {
      mkdirSync(join(broken, "objects", "pack", name), { recursive: true });
    }
    git(broken, "--git-dir=.", "config", "core.repositoryformatversion", "9");
    utimesSync(join(broken, "config"), new Date(), new Date());
    await expect(tidy()).rejects.toMatchObject({ code: "GIT_FAILED", message: expect.stringContaining("broken") });
    expect(packs()).toHaveLength(1);
  });
});
