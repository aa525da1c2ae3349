import { mkdirSync, readFileSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listKeptActions } from "../git/kept-actions.ts";
import { commit, createRepository, createTestDirectory, git, writeFiles } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { describeRepository } from "../git/repository.ts";
import { createWorkflowSources } from "./workflow-sources.ts";
import { startGitServer } from "./git-server.fixture.ts";
import type { GitServer } from "./git-server.fixture.ts";
import { fetchReferences, lockReferences, pruneActions, verifyActions } from "./manage-actions.ts";
import type { ManageEnvironment } from "./manage-actions.ts";

const JAVASCRIPT = "name: a\ndescription: d\nruns: { using: node20, main: index.js }\n";

function composite(...uses: readonly string[]): string {
  const steps = uses.map((one) => `    - uses: ${JSON.stringify(one)}\n`);
  return `name: c\ndescription: d\nruns:\n  using: composite\n  steps:\n${steps.join("")}`;
}

function workflow(on: string, ...uses: readonly string[]): string {
  const steps = uses.map((one) => `      - uses: ${JSON.stringify(one)}\n`);
  return `on: ${on}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n${steps.join("")}`;
}

let directory: TestDirectory;
let own: string;
let mirrors: string;
let server: GitServer;
let environment: ManageEnvironment;
const progress: string[] = [];
const request = { path: undefined, onProgress: (line: string) => progress.push(line) };

/** Makes or changes a repository of the server's; returns its new commit. */
function publish(name: string, files: { readonly [path: string]: string }, tag: string): string {
  const source = join(directory.path, "sources", name);
  const bare = join(mirrors, "octo", `${name}.git`);
  let sha: string;
  try {
    sha = commit(source, files);
  } catch {
    sha = createRepository(source, files);
    mkdirSync(join(mirrors, "octo"), { recursive: true });
    git(source, "clone", "-q", "--bare", source, bare);
  }
  git(source, "tag", "-f", tag);
  git(source, "push", "-q", "--force", "--all", bare);
  git(source, "push", "-q", "--force", "--tags", bare);
  return sha;
}

beforeEach(async () => {
  progress.length = 0;
  directory = createTestDirectory();
  own = join(directory.path, "own");
  mirrors = join(directory.path, "mirrors");
  publish("js", { "action.yml": JAVASCRIPT, "sub/action.yml": JAVASCRIPT, "index.js": "//" }, "v1");
  publish("composite", { "action.yml": composite("octo/js/sub@v1", "./here") }, "v2");
  publish("flows", { ".github/workflows/x.yml": workflow("workflow_call", "octo/js@v1") }, "main");
  createRepository(own, {
    ".github/workflows/push.yml": workflow(
      "push",
      "octo/composite@v2",
      "actions/checkout@v4",
      "docker://alpine",
      "me/own@main",
    ),
    ".github/workflows/never.yml": `on: issues\njobs:\n  a: { uses: octo/flows/.github/workflows/x.yml@main }\n`,
    "here/action.yml": composite("Octo/JS@v1"),
    // Hearth's own equivalent may stand in for it, and it is pinned all the same.
    "hearth.yml": "actions: { allow: [octo/*, me/own] }\n",
  });
  git(own, "remote", "add", "origin", "https://github.com/me/own.git");
  server = await startGitServer(mirrors);
  environment = {
    workingDirectory: own,
    mirrorDir: undefined,
    remote: { serverUrl: server.url, token: undefined, directory: join(directory.path, "data"), retryAfterMs: 1 },
  };
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

const lockText = (): string => readFileSync(join(own, ".hearth/lock.yml"), "utf8");

describe("locking", () => {
  it("pins every reference, nested and called ones too, whatever starts the workflow, and the run's own repository not", async () => {
    const report = await lockReferences(request, environment);
    expect(report.failures).toEqual([]);
    expect(report.changes.map(({ reference }) => reference)).toEqual([
      "octo/composite@v2",
      "octo/flows@main",
      "octo/js@v1",
    ]);
    expect(lockText()).toMatch(
      /octo\/composite@v2:\n {4}commit: [0-9a-f]{40}\n {4}files:\n {6}action\.yml: sha256:[0-9a-f]{64}\n/u,
    );
    expect(lockText()).toMatch(/ {6}\.github\/workflows\/x\.yml: sha256:/u);
    expect(lockText()).toMatch(/octo\/js@v1:\n.*\n {4}files:\n {6}action\.yml: .*\n {6}sub\/action\.yml: /u);
  });

  it("tells what has moved since, and changes nothing when nothing has", async () => {
    await lockReferences(request, environment);
    const before = lockText();
    const again = await lockReferences(request, environment);
    expect(lockText()).toBe(before);
    expect(again.changes.every((change) => change.before === change.after)).toBe(true);
    const sha = publish("js", { "index.js": "// 2" }, "v1");
    const { changes } = await lockReferences(request, environment);
    expect(changes.filter((change) => change.before !== change.after)).toEqual([
      { reference: "octo/js@v1", before: expect.stringMatching(/^[0-9a-f]{40}$/u), after: sha },
    ]);
  });

  it("writes nothing when a reference cannot be found, and says which", async () => {
    writeFiles(own, { ".github/workflows/bad.yml": workflow("push", "octo/absent@v1") });
    const { failures } = await lockReferences(request, environment);
    expect(failures).toEqual([{ reference: "octo/absent@v1", reason: expect.stringContaining("--mirror DIR") }]);
    expect(() => lockText()).toThrow("ENOENT");
  });

  it("refuses workflows that cannot be read, as their references would be left out", async () => {
    writeFiles(own, { ".github/workflows/bad.yml": "on: [" });
    await expect(lockReferences(request, environment)).rejects.toThrow(".github/workflows/bad.yml:1");
  });
});

describe("what is kept on this host", () => {
  it("is everything that workflows use, fetched anew each time, with what moved", async () => {
    const first = await fetchReferences(request, environment);
    expect(first.changes.map(({ reference, before }) => [reference, before])).toEqual([
      ["octo/composite@v2", undefined],
      ["octo/flows@main", undefined],
      ["octo/js@v1", undefined],
    ]);
    const fetched = ["Fetching octo/composite@v2", "Fetching octo/flows@main", "Fetching octo/js@v1"];
    expect(progress.toSorted()).toEqual(fetched);
    const kept = await listKeptActions(environment.remote.directory);
    expect(kept.map(({ repository, names }) => [repository, names])).toEqual([
      ["octo/composite", ["v2"]],
      ["octo/flows", ["main"]],
      ["octo/js", ["v1"]],
    ]);
    const sha = publish("js", { "index.js": "// 2" }, "v1");
    const second = await fetchReferences(request, environment);
    expect(second.changes).toContainEqual({ reference: "octo/js@v1", before: expect.stringMatching(/./u), after: sha });
  });

  it("serves called workflows when the server is gone", async () => {
    await fetchReferences(request, environment);
    const { remote, mirrorDir } = environment;
    const away = { ...remote, serverUrl: server.url };
    await server[Symbol.asyncDispose]();
    const signal = AbortSignal.timeout(20_000);
    const repository = await describeRepository(own);
    const sources = createWorkflowSources({ repository, mirrorDir, remote: away, signal });
    const tree = await sources.open({ owner: "Octo", name: "flows", ref: "main" });
    if (typeof tree === "string") throw new Error(tree);
    expect(await tree.read(".github/workflows/x.yml")).toMatchObject({ kind: "text" });
    server = await startGitServer(mirrors);
  });

  it("is verified file by file, against what the lock file pins", async () => {
    await lockReferences(request, environment);
    const before = await verifyActions(environment);
    expect(before.verified.map(({ fault }) => fault)).toEqual([undefined, undefined]);
    expect(before.lacking).toEqual(["octo/flows@main"]);
    await fetchReferences(request, environment);
    expect((await verifyActions(environment)).lacking).toEqual([]);
    const objects = join(environment.remote.directory, new URL(server.url).host, "octo/js.git/objects/pack");
    for (const name of readdirSync(objects).filter((one) => one.endsWith(".pack"))) rmSync(join(objects, name));
    const { verified, lacking } = await verifyActions(environment);
    expect(verified.filter(({ fault }) => fault !== undefined)).toHaveLength(1);
    expect(lacking).toEqual([]);
  });

  it("is removed when it was not used since, and nothing else is", async () => {
    await fetchReferences(request, environment);
    publish("js", { "index.js": "// 2" }, "v1");
    await fetchReferences(request, environment);
    const kept = await listKeptActions(environment.remote.directory);
    const old = kept.find(({ repository, names }) => repository === "octo/js" && names.length === 0);
    if (old === undefined) throw new Error(JSON.stringify(kept));
    utimesSync(join(old.place.cwd, "hearth-uses", old.sha), new Date(0), new Date(0));
    expect(await pruneActions(environment, new Date(1_000))).toMatchObject([{ sha: old.sha }]);
    expect(() => git(old.place.cwd, "cat-file", "-e", old.sha)).toThrow("cat-file");
    expect(await listKeptActions(environment.remote.directory)).toHaveLength(3);
    expect((await verifyActions(environment)).verified.every(({ fault }) => fault === undefined)).toBe(true);
    const later = new Date(Date.now() + 60_000);
    await pruneActions(environment, later);
    expect(await listKeptActions(environment.remote.directory)).toEqual([]);
  });
});
