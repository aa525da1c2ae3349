import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unpackTar } from "modern-tar";
import { formatDiagnostic } from "../lib/diagnostic.ts";
import type { PlanResult, Way } from "../plan/plan.ts";
import { commit, createRepository, createTestDirectory, git, writeFiles } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { aUsesStep } from "../plan/plan-fixture.ts";
import { startGitServer } from "./git-server.fixture.ts";
import { lockReferences } from "./manage-actions.ts";
import { selectWorkflows } from "./select-workflows.ts";
import type { SelectRequest } from "./select-workflows.ts";

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
let sha: string;

beforeEach(() => {
  directory = createTestDirectory();
  own = join(directory.path, "own");
  mirrors = join(directory.path, "mirrors");
  sha = publish("js", { "action.yml": JAVASCRIPT, "index.js": "//" });
  publish("composite", { "action.yml": composite("./inner", "octo/js@v1") });
  createRepository(own, {
    ".github/workflows/push.yml": workflow("push", "octo/js@v1", "octo/composite@v1"),
    "inner/action.yml": JAVASCRIPT,
  });
  git(own, "remote", "add", "origin", "https://github.com/me/own.git");
});

afterEach(() => directory[Symbol.dispose]());

function publish(name: string, files: { readonly [path: string]: string }): string {
  const source = join(directory.path, "sources", name);
  const bare = join(mirrors, "octo", `${name}.git`);
  mkdirSync(join(mirrors, "octo"), { recursive: true });
  const commitId = createRepository(source, files);
  git(source, "tag", "v1");
  git(source, "clone", "-q", "--bare", source, bare);
  return commitId;
}

function moveTag(name: string): string {
  const source = join(directory.path, "sources", name);
  const moved = commit(source, { "evil.js": "x" });
  git(source, "tag", "-f", "v1");
  git(source, "push", "-q", "--force", join(mirrors, "octo", `${name}.git`), "main", "v1");
  return moved;
}

function select(
  wishes: Partial<SelectRequest> = {},
  around: { mirrorDir?: string | undefined; serverUrl?: string } = {},
) {
  const request = {
    path: undefined,
    event: "push",
    payload: undefined,
    job: undefined,
    matrix: [],
    inputs: {},
    vars: {},
  };
  const remote = {
    serverUrl: "http://127.0.0.1:1",
    token: undefined,
    directory: join(directory.path, "data"),
    ...around,
  };
  return selectWorkflows(
    { ...request, skipUnsupported: false, ...wishes },
    {
      workingDirectory: own,
      actor: "ada",
      mirrorDir: mirrors,
      ...around,
      remote,
      scratch: () => Promise.resolve(join(directory.path, "scratch")),
      host: {
        provider: "host",
        cpus: 1,
        memoryMib: 1024,
        arch: "X64",
        images: () => Promise.resolve([]),
        variable: () => undefined,
        takesNetwork: false,
      },
    },
  );
}

function waysOf(results: readonly PlanResult[]): readonly Way[] {
  return results.flatMap((result) =>
    result.kind === "planned" ? result.plan.jobs.flatMap(({ steps }) => steps.map(({ way }) => way)) : [],
  );
}

function said(results: readonly PlanResult[]): string {
  return results
    .flatMap((result) => (result.kind === "planned" ? result.warnings : []))
    .map(formatDiagnostic)
    .join("\n");
}

describe("actions of other repositories in a selection", () => {
  it("are found with all that they use, and can be opened", async () => {
    const { results, actions } = await select();
    expect(said(results)).toBe("");
    const [first, second] = waysOf(results);
    expect(first).toMatchObject({ kind: "javascript", action: { repository: "octo/js", sha } });
    expect(second).toMatchObject({
      kind: "composite",
      steps: [{ way: { kind: "javascript", path: "inner", action: undefined } }, { way: first }],
    });
    if (first?.kind !== "javascript" || first.action === undefined) throw new Error("not found");
    const chunks = await (await actions.open(first.action)).toArray();
    expect((await unpackTar(Buffer.concat(chunks))).map(({ header }) => header.name)).toEqual([
      "action.yml",
      "index.js",
    ]);
  });

  it("that only the run meets are found by the same rules, at the same commit", async () => {
    const { actions, results } = await select();
    const planned = waysOf(results)[0];
    moveTag("js");
    expect(await actions.chooseWay(aUsesStep(1, "octo/js@v1"), undefined)).toEqual(planned);
    expect(await actions.chooseWay(aUsesStep(1, "octo/absent@v1"), undefined)).toMatchObject({ kind: "unsupported" });
  });

  it("are fetched by a run and not by a plan, and only for workflows that start", async () => {
    await using server = await startGitServer(mirrors);
    writeFiles(own, { ".github/workflows/other.yml": workflow("issues", "octo/never@v1") });
    const around = { mirrorDir: undefined, serverUrl: server.url };
    expect(said((await select({}, around)).results)).toContain("which is not fetched yet");
    expect(server.requests).toEqual([]);
    const lines: string[] = [];
    const { results } = await select({ fetch: true, onProgress: (line) => lines.push(line) }, around);
    expect(said(results)).toBe("");
    expect(lines.toSorted()).toEqual(["Fetching octo/composite@v1", "Fetching octo/js@v1"]);
    expect(server.requests.filter(({ url }) => url?.includes("never"))).toEqual([]);
  });

  it("stop the run when a tag has moved since it was locked (SECURITY-RELIABILITY A23)", async () => {
    const environment = {
      workingDirectory: own,
      mirrorDir: mirrors,
      remote: { serverUrl: "http://127.0.0.1:1", token: undefined, directory: join(directory.path, "data") },
    };
    await lockReferences({ path: undefined, onProgress: () => undefined }, environment);
    expect(said((await select({ locked: true })).results)).toBe("");
    const moved = moveTag("js");
    const told = said((await select()).results);
    expect(told).toContain(`.github/workflows/push.yml:6:15: unsupported: the action 'octo/js@v1', which has moved:`);
    expect(told).toContain(`.hearth/lock.yml has commit ${sha}, it now means ${moved}`);
    expect(told).toContain("In octo/composite@v1 (octo/js@v1): ");
    expect(told).toContain("(jobs.a.steps[0].uses)");
  });

  it("that are not locked are said, and refused when only locked ones will do", async () => {
    writeFiles(own, { ".hearth/lock.yml": "version: 1\nuses: {}\n" });
    const { warnings, results } = await select();
    expect(warnings.map(formatDiagnostic)).toContain(
      ".hearth/lock.yml: warning: octo/js@v1 is not pinned: hearth lock adds it",
    );
    expect(said(results)).toBe("");
    expect(said((await select({ locked: true })).results)).toContain(
      "which is not pinned in .hearth/lock.yml (--locked),",
    );
    writeFiles(own, { ".hearth/lock.yml": "version: 9\n" });
    await expect(select()).rejects.toMatchObject({ code: "BAD_CONFIG" });
  });

  it("that the policy does not allow are refused with file, line and key of both", async () => {
    writeFiles(own, { "hearth.yml": "actions:\n  allow: [octo/composite]\n" });
    const told = said((await select()).results);
    expect(told).toContain(
      ".github/workflows/push.yml:6:15: unsupported: the action 'octo/js@v1', which is not among those that hearth.yml:2:3 (actions.allow) allows, is unsupported: use an allowed one, or add octo/js there (jobs.a.steps[0].uses)",
    );
    expect(told).toContain("In octo/composite@v1 (octo/js@v1): the action 'octo/js@v1', which is not among");
    writeFiles(own, { "hearth.yml": "actions: { require-sha: true }\n" });
    expect(said((await select()).results)).toContain("hearth.yml:1:12 (actions.require-sha) requires");
  });

  it("and called workflows are under the same policy and the same lock", async () => {
    publish("flows", { ".github/workflows/x.yml": workflow("workflow_call", "octo/js@v1") });
    const uses = "octo/flows/.github/workflows/x.yml@v1";
    writeFiles(own, { ".github/workflows/push.yml": `on: push\njobs:\n  a: { uses: ${uses} }\n` });
    expect(said((await select()).results)).toBe("");
    writeFiles(own, { "hearth.yml": "actions: { allow: [octo/js] }\n" });
    expect(said((await select()).results)).toContain(`Cannot find the workflow '${uses}': it is not among those that`);
    writeFiles(own, {
      "hearth.yml": "",
      ".hearth/lock.yml": `version: 1\nuses: { octo/flows@v1: { commit: "${"1".repeat(40)}", files: {} } }\n`,
    });
    expect(said((await select()).results)).toContain(`it has moved: .hearth/lock.yml has commit ${"1".repeat(40)}`);
  });

  it("by $/ are those of the commit that runs, uncommitted changes counted in", async () => {
    writeFiles(own, {
      ".github/workflows/push.yml": workflow("push", "$/fresh"),
      "fresh/action.yml": JAVASCRIPT,
      "fresh/index.js": "// not committed",
    });
    const { results, actions, event, snapshot } = await select();
    const [way] = waysOf(results);
    expect(event.sha).toBe(snapshot?.sha);
    expect(way).toMatchObject({ kind: "javascript", action: { repository: "me/own", path: "fresh", sha: event.sha } });
    if (way?.kind !== "javascript" || way.action === undefined) throw new Error("not found");
    const chunks = await (await actions.open(way.action)).toArray();
    expect((await unpackTar(Buffer.concat(chunks))).map(({ header }) => header.name)).toContain("fresh/index.js");
  });
});
