import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unpackTar } from "modern-tar";
import type { KnownAction } from "../action/choose-way.ts";
import { parseActionReference } from "../action/reference.ts";
import type { RemoteReference } from "../action/reference.ts";
import { commit, createRepository, createTestDirectory, git, GIT_ENVIRONMENT } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { ActionLibrary } from "./action-library.ts";
import { actionPlaces } from "./action-places.ts";
import type { PlaceSettings } from "./action-places.ts";
import { startGitServer } from "./git-server.fixture.ts";
import type { GitServer } from "./git-server.fixture.ts";
import type { Lock } from "./lock.ts";
import { hashOf } from "./lock.ts";
import { ReferencePins } from "./reference-pins.ts";

const MANIFEST = "name: a\ndescription: d\nruns: { using: node20, main: index.js }\n";

let directory: TestDirectory;
let source: string;
let mirrors: string;
let sha: string;
let data: string;

beforeEach(() => {
  directory = createTestDirectory();
  source = join(directory.path, "source");
  mirrors = join(directory.path, "mirrors");
  data = join(directory.path, "data/mirrors");
  createRepository(source, { "README.md": "before" });
  sha = commit(source, { "action.yml": MANIFEST, "index.js": "//", "sub/dir/action.yaml": MANIFEST });
  git(source, "tag", "-a", "v1", "-m", "v1");
  mirror();
});

afterEach(() => directory[Symbol.dispose]());

/** What the source is now, as the operator's mirror and as what the server has. */
function mirror(): void {
  const bare = join(mirrors, "octo/thing.git");
  mkdirSync(join(mirrors, "octo"), { recursive: true });
  if (existsSync(bare)) git(source, "push", "-q", "--force", "--all", bare);
  else git(source, "clone", "-q", "--bare", source, bare);
  git(source, "push", "-q", "--force", "--tags", bare);
}

function reference(uses: string): RemoteReference {
  const parsed = parseActionReference(uses);
  if (parsed.kind !== "remote") throw new Error(`'${uses}' is of no other repository`);
  return parsed;
}

interface Around extends Partial<Omit<PlaceSettings, "remote">> {
  readonly url?: string;
  readonly token?: string;
  readonly lock?: Lock;
  readonly locked?: boolean;
}

function create({ url, token, lock, locked = false, ...settings }: Around) {
  const fetched: string[] = [];
  const pins = new ReferencePins(lock, { locked, own: { owner: "me", name: "own" } });
  const places = actionPlaces({
    repository: undefined,
    mirrorDir: undefined,
    // Nothing listens there.
    remote: { serverUrl: url ?? "http://127.0.0.1:1", token, directory: data, retryAfterMs: 1 },
    fetch: "missing",
    progress: (line) => fetched.push(line),
    ...settings,
  });
  return { library: new ActionLibrary(places, pins), pins, fetched };
}

async function known(uses: string, around: Around): Promise<KnownAction> {
  const { library } = create(around);
  await library.load(reference(uses));
  return library.find(reference(uses)) ?? { kind: "missing", fault: "was not loaded", fix: "" };
}

function shaOf(action: KnownAction): string {
  return action.kind === "found" ? action.action.sha : `${action.kind}: ${action.fault}: ${action.fix}`;
}

/** Paths of an action's archive. */
async function namesOf(library: ActionLibrary, uses: string): Promise<readonly string[]> {
  const action = library.find(reference(uses));
  if (action?.kind !== "found") throw new Error(JSON.stringify(action));
  const chunks = await library.open(action.action).then((stream) => stream.toArray());
  return (await unpackTar(Buffer.concat(chunks))).map(({ header }) => header.name).toSorted();
}

function archive(commitish: string, file: string, ...args: string[]): void {
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(
    file,
    execFileSync("git", ["archive", "--format=tar.gz", ...args, commitish], { cwd: source, env: GIT_ENVIRONMENT }),
  );
}

describe("an action in a mirror", () => {
  it("is found by tag, branch, full name and commit, with the manifest of its directory", async () => {
    for (const ref of ["v1", "main", "refs/tags/v1", "refs/heads/main", sha, sha.toUpperCase()]) {
      const found = await known(`Octo/Thing@${ref}`, { mirrorDir: mirrors });
      expect(found).toMatchObject({
        kind: "found",
        action: { repository: "Octo/Thing", path: "", ref, sha },
        manifest: { path: "action.yml", text: MANIFEST },
      });
    }
    const sub = await known("octo/thing/sub/dir@v1", { mirrorDir: mirrors });
    expect(sub).toMatchObject({ action: { path: "sub/dir" }, manifest: { path: "sub/dir/action.yaml" } });
    const none = await known("octo/thing/none@v1", { mirrorDir: mirrors });
    expect(none).toMatchObject({ kind: "found", manifest: undefined });
  });

  it("prefers a tag to a branch of the same name, and refuses a short commit id", async () => {
    git(source, "branch", "v2");
    const moved = commit(source, { x: "y" });
    git(source, "tag", "v2");
    mirror();
    expect(shaOf(await known("octo/thing@v2", { mirrorDir: mirrors }))).toBe(moved);
    expect(shaOf(await known(`octo/thing@${sha.slice(0, 8)}`, { mirrorDir: mirrors }))).toContain("all 40 digits");
    const tag = git(source, "rev-parse", "v1^{tag}");
    expect(shaOf(await known(`octo/thing@${tag}`, { mirrorDir: mirrors }))).toContain("has no branch, tag or commit");
  });

  it("is delivered in the way of git archive, by no program that its attributes name", async () => {
    const ran = join(directory.path, "ran");
    const bare = join(mirrors, "octo/thing.git");
    commit(source, {
      ".gitattributes": "secret export-ignore\nversion export-subst\n*.big filter=evil\n",
      secret: "x",
      version: "$Format:%H$",
      "file.big": "pointer",
      ".gitmodules": '[submodule "m"]\n path = m\n url = https://example.com/m\n',
    });
    git(source, "update-index", "--add", "--cacheinfo", `160000,${sha},m`);
    git(source, "commit", "-q", "-m", "with a submodule");
    const last = git(source, "rev-parse", "HEAD");
    mirror();
    git(bare, "config", "filter.evil.smudge", `touch ${ran}`);
    const { library } = create({ mirrorDir: mirrors });
    await library.load(reference("octo/thing@main"));
    expect(await namesOf(library, "octo/thing@main")).toEqual(
      [
        ".gitattributes",
        ".gitmodules",
        "README.md",
        "action.yml",
        "file.big",
        "index.js",
        "m/",
        "sub/",
        "sub/dir/",
        "sub/dir/action.yaml",
        "version",
      ].toSorted(),
    );
    const found = library.find(reference("octo/thing@main"));
    if (found?.kind !== "found") throw new Error("not found");
    expect(await text(await library.open(found.action))).toContain(last);
    expect(existsSync(ran)).toBe(false);
  });

  it("is the commit that was planned, whatever its tag means later", async () => {
    const { library } = create({ mirrorDir: mirrors });
    await library.load(reference("octo/thing@v1"));
    commit(source, { "evil.js": "x" });
    git(source, "tag", "-f", "v1");
    mirror();
    await library.load(reference("octo/thing/sub/dir@v1"));
    expect(library.find(reference("octo/thing/sub/dir@v1"))).toMatchObject({ action: { sha } });
    expect(await namesOf(library, "octo/thing@v1")).not.toContain("evil.js");
    const found = library.find(reference("octo/thing@v1"));
    if (found?.kind !== "found") throw new Error("not found");
    await expect(library.open({ ...found.action, sha: "0".repeat(40) })).rejects.toThrow(
      "was not found while planning",
    );
  });

  it("is noted when no branch or tag leads to its commit, as of a fork", async () => {
    const orphan = git(source, "commit-tree", "-m", "impostor", `${sha}^{tree}`);
    git(source, "push", "-q", join(mirrors, "octo/thing.git"), `${orphan}:refs/pull/1/head`);
    const { library, pins } = create({ mirrorDir: mirrors });
    await library.load(reference(`octo/thing@${orphan}`));
    expect(shaOf(library.find(reference(`octo/thing@${orphan}`)) ?? { kind: "missing", fault: "", fix: "" })).toBe(
      orphan,
    );
    await library.load(reference(`octo/thing@${sha}`));
    expect(pins.warnings.map(({ file, message }) => `${file} ${message}`)).toEqual([
      expect.stringMatching(
        new RegExp(`^octo/thing@${orphan} No branch or tag of octo/thing .* it may be of a fork`, "u"),
      ),
    ]);
  });

  it("follows a manifest that is a link inside, and refuses one that is too large", async () => {
    execFileSync("ln", ["-s", "action.yml", "link.yml"], { cwd: source });
    mkdirSync(join(source, "linked"));
    execFileSync("ln", ["-s", "../action.yml", "linked/action.yml"], { cwd: source });
    execFileSync("mkdir", ["out", "both"], { cwd: source });
    execFileSync("ln", ["-s", "/etc/passwd", "out/action.yml"], { cwd: source });
    execFileSync("ln", ["-s", "nowhere", "both/action.yml"], { cwd: source });
    commit(source, { "large/action.yml": `# ${"x".repeat(1 << 20)}`, "both/action.yaml": MANIFEST });
    mirror();
    const at = { mirrorDir: mirrors };
    expect(await known("octo/thing/linked@main", at)).toMatchObject({ kind: "found", manifest: { text: MANIFEST } });
    expect(await known("octo/thing/out@main", at)).toMatchObject({ kind: "found", manifest: undefined });
    expect(await known("octo/thing/both@main", at)).toMatchObject({ manifest: { path: "both/action.yaml" } });
    expect(await known("octo/thing/large@main", at)).toMatchObject({ kind: "stopped" });
  });
});

describe("a repository as tarballs", () => {
  it("is found by commit as GitHub's runner keeps it, by tag and by branch, with or without a directory around", async () => {
    archive(sha, tarball(`${sha}.tar.gz`), "--prefix=octo-thing-0123/");
    archive("v1", tarball("v1.tar.gz"));
    archive("main", tarball("release/v2.tar.gz"));
    for (const ref of [sha, "v1", "release/v2"]) {
      const { library } = create(inTarballs());
      await library.load(reference(`Octo/Thing@${ref}`));
      const found = library.find(reference(`Octo/Thing@${ref}`));
      expect(found).toMatchObject({ kind: "found", action: { sha }, manifest: { path: "action.yml", text: MANIFEST } });
      const files = ["README.md", "action.yml", "index.js", "sub/", "sub/dir/", "sub/dir/action.yaml"];
      expect(await namesOf(library, `Octo/Thing@${ref}`)).toEqual(files);
    }
    expect(shaOf(await known("octo/thing@v9", inTarballs()))).toContain("no v9.tar.gz in");
    expect(shaOf(await known("octo/thing@V1", inTarballs()))).toContain("no V1.tar.gz in");
  });

  it("is not believed about another commit than its own, nor without one", async () => {
    const other = commit(source, { x: "y" });
    archive(other, tarball(`${sha}.tar.gz`));
    expect(shaOf(await known(`octo/thing@${sha}`, inTarballs()))).toContain(`it is of commit ${other}`);
    archive("main^{tree}", tarball("v1.tar.gz"));
    expect(shaOf(await known("octo/thing@v1", inTarballs()))).toContain("does not say its commit");
  });

  it("is refused as a whole for one hostile entry, or when it is broken", async () => {
    mkdirSync(tarball(""), { recursive: true });
    execFileSync("ln", ["-s", "/etc", "evil"], { cwd: source });
    archive(commit(source, {}), tarball("link.tar.gz"));
    expect(shaOf(await known("octo/thing@link", inTarballs()))).toMatch(/entry "evil": a link that may lead outside/u);
    writeFileSync(tarball(`${sha}.tar.gz`), "not gzip");
    expect(shaOf(await known(`octo/thing@${sha}`, inTarballs()))).toContain("Cannot use the archive of octo/thing");
    archive("v1", tarball("v1.tar.gz"));
    writeFileSync(tarball("v1.tar.gz"), readFileSync(tarball("v1.tar.gz")).subarray(0, 200));
    expect(shaOf(await known("octo/thing@v1", inTarballs()))).toContain("Cannot use the archive of octo/thing");
  });
});

describe("an action on a server", () => {
  let server: GitServer;

  beforeEach(async () => {
    server = await startGitServer(mirrors);
  });

  afterEach(() => server[Symbol.asyncDispose]());

  const gitRequests = (): readonly string[] => server.requests.map(({ url }) => url ?? "");

  it("is fetched whole once, and needs no server after that, also as a mirror", async () => {
    for (const ref of ["v1", "main", "refs/heads/main", sha]) {
      const { library, fetched } = create({ url: server.url });
      await library.load(reference(`octo/thing@${ref}`));
      expect(library.find(reference(`octo/thing@${ref}`))).toMatchObject({ kind: "found", action: { ref, sha } });
      expect(await namesOf(library, `octo/thing@${ref}`)).toContain("sub/dir/action.yaml");
      expect(fetched).toEqual(ref === "refs/heads/main" || ref === sha ? [] : [`Fetching octo/thing@${ref}`]);
    }
    server.requests.length = 0;
    server.answer = "never";
    for (const uses of [`OCTO/thing@v1`, "octo/thing/sub/dir@main", `octo/thing@${sha}`]) {
      expect(shaOf(await known(uses, { url: server.url, fetch: "never" }))).toBe(sha);
      const kept = join(data, new URL(server.url).host);
      expect(shaOf(await known(uses, { mirrorDir: kept, fetch: "never" }))).toBe(sha);
    }
    expect(gitRequests()).toEqual([]);
  });

  it("is asked for once by all who use it, and answers 503 twice at most before it is had", async () => {
    server.answer = { trouble: 2 };
    const { library } = create({ url: server.url });
    await Promise.all(
      ["octo/thing@v1", "octo/thing/sub/dir@v1", "Octo/Thing@v1"].map((one) => library.load(reference(one))),
    );
    expect(library.find(reference("octo/thing@v1"))).toMatchObject({ kind: "found" });
    expect(
      gitRequests().filter((url) => url.endsWith("upload-pack") && url.includes("info/refs")).length,
    ).toBeLessThanOrEqual(4);
    server.answer = { trouble: 3 };
    expect(shaOf(await known("octo/thing@main", { url: server.url }))).toContain("503");
  });

  it("is whole although one file of it was fetched before for a called workflow", async () => {
    const { readRemoteFile, findRemoteCommit } = await import("../git/remote-cache.ts");
    const remote = { serverUrl: server.url, token: undefined, directory: data };
    const signal = AbortSignal.timeout(20_000);
    const at = { owner: "octo", name: "thing" };
    expect(await findRemoteCommit(remote, at, "v1", signal)).toBe(sha);
    await readRemoteFile(remote, at, { commit: sha, path: "README.md", maxBytes: 100 }, signal);
    expect(shaOf(await known("octo/thing@v1", { url: server.url, fetch: "never" }))).toContain("not fetched yet");
    const { library } = create({ url: server.url });
    await library.load(reference("octo/thing@v1"));
    server.answer = "never";
    expect(await namesOf(library, "octo/thing@v1")).toContain("index.js");
  });

  it("is not asked for where nothing may be fetched, and the fix says how it can be", async () => {
    expect(shaOf(await known("octo/thing@v1", { url: server.url, fetch: "never" }))).toMatch(
      /^missing: is not fetched yet: .*hearth actions fetch/u,
    );
    expect(server.requests).toEqual([]);
  });

  it("of a private repository needs the token, and says so", async () => {
    server.answer = "401 without s3cret";
    expect(shaOf(await known("octo/thing@v1", { url: server.url }))).toContain("token in GITHUB_TOKEN");
    const wrong = shaOf(await known("octo/thing@v1", { url: server.url, token: "wr0ng" }));
    expect(wrong).not.toContain("wr0ng");
    expect(shaOf(await known("octo/thing@v1", { url: server.url, token: "s3cret" }))).toBe(sha);
    const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const entry of files) {
      expect(readFileSync(join(entry.parentPath, entry.name), "latin1")).not.toMatch(/s3cret|eC1hY2Nlc3MtdG9rZW4/);
    }
  });

  it("is noted when it is a commit that no branch or tag there ends in", async () => {
    const { library, pins } = create({ url: server.url });
    const older = git(source, "rev-parse", "main~1");
    for (const ref of [older, sha]) await library.load(reference(`octo/thing@${ref}`));
    expect(shaOf(library.find(reference(`octo/thing@${older}`)) ?? { kind: "missing", fault: "", fix: "" })).toBe(
      older,
    );
    expect(pins.warnings.map(({ file }) => file)).toEqual([`octo/thing@${older}`]);
    const lock: Lock = { uses: { [`octo/thing@${older}`]: { commit: older, files: {} } } };
    const reviewed = create({ url: server.url, lock });
    await reviewed.library.load(reference(`octo/thing@${older}`));
    expect(reviewed.pins.warnings).toEqual([]);
  });

  it("says what it tried when it is nowhere", async () => {
    expect(shaOf(await known("octo/absent@v1", { url: server.url, mirrorDir: data }))).toMatch(
      /no octo\/absent\.git in .*octo\/absent\.git: .*--mirror DIR/u,
    );
    expect(shaOf(await known("octo/thing@v9", { url: server.url }))).toContain("has no branch, tag or commit v9");
    expect(shaOf(await known(`octo/thing@${"1".repeat(40)}`, { url: server.url }))).toContain("not our ref");
  });

  it("is asked for anew where all is to be fetched, and what is kept stands in without it", async () => {
    await known("octo/thing@main", { url: server.url });
    const moved = commit(source, { x: "y" });
    mirror();
    expect(shaOf(await known("octo/thing@main", { url: server.url }))).toBe(sha);
    expect(shaOf(await known("octo/thing@main", { url: server.url, fetch: "all" }))).toBe(moved);
    expect(shaOf(await known("octo/thing@main", { url: server.url, fetch: "never" }))).toBe(moved);
    expect(shaOf(await known("octo/thing@main", { fetch: "all" }))).toContain("missing");
  });
});

describe("a lock file", () => {
  it("stops a reference that has moved, naming both commits (SECURITY-RELIABILITY A23)", async () => {
    const moved = commit(source, { "evil.js": "x" });
    git(source, "tag", "-f", "v1");
    mirror();
    const action = await known("octo/thing@v1", { mirrorDir: mirrors, lock: lockOf(sha) });
    expect(action.kind).toBe("stopped");
    expect(shaOf(action)).toContain(`.hearth/lock.yml has commit ${sha}, it now means ${moved}`);
  });

  it("lets through what means the same, and stops another manifest at the same commit", async () => {
    expect(shaOf(await known("octo/THING@v1", { mirrorDir: mirrors, lock: lockOf(sha) }))).toBe(sha);
    const forged = await known("octo/thing@v1", { mirrorDir: mirrors, lock: lockOf(sha, "other") });
    expect(shaOf(forged)).toMatch(/^stopped: has another action\.yml/u);
  });

  it("finds its commit where nobody knows the name", async () => {
    git(join(mirrors, "octo/thing.git"), "tag", "-d", "v1");
    expect(await known("octo/thing@v1", { mirrorDir: mirrors, lock: lockOf(sha) })).toMatchObject({
      kind: "found",
      action: { ref: "v1", sha },
    });
    const tarballs = join(directory.path, "tarballs");
    archive(sha, join(tarballs, `octo_thing/${sha}.tar.gz`));
    expect(shaOf(await known("octo/thing@v1", { mirrorDir: tarballs, lock: lockOf(sha) }))).toBe(sha);
  });

  it("that is newer than what is kept here has the server asked", async () => {
    await using server = await startGitServer(mirrors);
    await known("octo/thing@v1", { url: server.url });
    const moved = commit(source, { x: "y" });
    git(source, "tag", "-f", "v1");
    mirror();
    expect(shaOf(await known("octo/thing@v1", { url: server.url, lock: lockOf(moved) }))).toBe(moved);
    expect(shaOf(await known("octo/thing@v1", { url: server.url, lock: lockOf(sha), fetch: "all" }))).toContain(
      "has moved",
    );
  });

  it("warns of what it does not pin, and refuses that when only pinned references will do", async () => {
    const lock: Lock = { uses: {} };
    const { library, pins } = create({ mirrorDir: mirrors, lock });
    await library.load(reference("octo/thing@v1"));
    expect(pins.warnings.map(({ message }) => message)).toEqual(["octo/thing@v1 is not pinned: hearth lock adds it"]);
    expect(shaOf(await known("octo/thing@v1", { mirrorDir: mirrors, lock, locked: true }))).toContain("--locked");
    expect(shaOf(await known("octo/thing@v1", { mirrorDir: mirrors, locked: true }))).toContain(
      "there is no .hearth/lock.yml",
    );
    expect(shaOf(await known("octo/thing@v1", { mirrorDir: mirrors, lock: lockOf(sha), locked: true }))).toBe(sha);
  });
});

function inTarballs(): Around {
  return { mirrorDir: join(directory.path, "tarballs") };
}

function tarball(name: string): string {
  return join(directory.path, "tarballs/octo_thing", name);
}

function lockOf(commitId: string, manifest = MANIFEST): Lock {
  return { uses: { "Octo/thing@v1": { commit: commitId, files: { "action.yml": hashOf(manifest) } } } };
}
