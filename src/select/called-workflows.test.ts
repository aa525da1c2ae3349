import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeRepository } from "../git/repository.ts";
import { commit, createRepository, createTestDirectory, git, writeFiles } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import type { CalledWorkflow } from "../plan/called-workflow.ts";
import type { WorkflowOrigin } from "../plan/plan.ts";
import { createGitEndpoint } from "../service/git-endpoint.ts";
import type { GitEndpoint } from "../service/git-endpoint.ts";
import { createLookup } from "../service/repository-lookup.ts";
import { readWorkflow } from "../workflow/read-workflow.ts";
import type { Workflow } from "../workflow/workflow.ts";
import { loadCalledWorkflows } from "./called-workflows.ts";
import { createWorkflowSources } from "./workflow-sources.ts";

let directory: TestDirectory;
let own: string;

beforeEach(() => {
  directory = createTestDirectory();
  own = join(directory.path, "own");
  createRepository(own, { ".github/workflows/a.yml": callee("committed") });
  git(own, "remote", "add", "origin", "https://github.com/Me/own.git");
});

afterEach(() => directory[Symbol.dispose]());

const ROOT: WorkflowOrigin = {
  repository: "Me/own",
  path: ".github/workflows/ci.yml",
  ref: "refs/heads/main",
  sha: "0",
};

/** A workflow that can be called, told by its name, with a job for each of `uses`. */
function callee(name: string, ...uses: readonly string[]): string {
  const jobs = uses.map((one, index) => `  j${index}: { uses: ${JSON.stringify(one)} }\n`);
  const last = "  end: { runs-on: ubuntu-latest, steps: [{ run: 'true' }] }\n";
  return `name: ${name}\non: [push, workflow_call]\njobs:\n${jobs.join("")}${last}`;
}

function caller(...uses: readonly string[]): Workflow {
  const read = readWorkflow(ROOT.path, callee("ci", ...uses));
  if (read.kind !== "read") throw new Error(JSON.stringify(read.diagnostics));
  return read.workflow;
}

interface Around {
  readonly mirrorDir?: string;
  readonly serverUrl?: string;
  readonly token?: string;
  readonly signal?: AbortSignal;
  readonly starts?: boolean;
}

async function load(uses: readonly string[], around: Around = {}) {
  const sources = createWorkflowSources({
    repository: await describeRepository(own),
    mirrorDir: around.mirrorDir,
    remote: {
      // Nothing listens there.
      serverUrl: around.serverUrl ?? "http://127.0.0.1:1",
      token: around.token,
      directory: join(directory.path, "data/mirrors"),
    },
    signal: around.signal ?? AbortSignal.timeout(15_000),
  });
  return loadCalledWorkflows([{ workflow: caller(...uses), starts: around.starts ?? true }], sources);
}

async function loadOne(uses: string, around: Around = {}): Promise<CalledWorkflow> {
  return (await load([uses], around))(uses, ROOT);
}

function nameOf(called: CalledWorkflow): string | undefined {
  if (called.kind !== "found") return called.message;
  return called.read.kind === "read" ? called.read.workflow.name : called.read.diagnostics[0]?.message;
}

describe("a workflow in the same repository", () => {
  it("is read from the working tree as it is now, for a caller there", async () => {
    writeFiles(own, { ".github/workflows/a.yml": callee("edited", "./.github/workflows/b.yml") });
    writeFiles(own, { ".github/workflows/b.yml": callee("new") });
    const called = await load(["./.github/workflows/a.yml"]);
    const a = called("./.github/workflows/a.yml", ROOT);
    expect(a).toMatchObject({ kind: "found", path: ".github/workflows/a.yml" });
    expect(nameOf(a)).toBe("edited");
    if (a.kind !== "found") throw new Error(a.message);
    expect(a.origin).toEqual({ ...ROOT, path: ".github/workflows/a.yml" });
    expect(nameOf(called("./.github/workflows/b.yml", a.origin))).toBe("new");
  });

  it("is read from git where the caller names a ref, and what that calls by ./ is from the same commit", async () => {
    const first = commit(own, {
      ".github/workflows/a.yml": callee("first", "./.github/workflows/b.yml"),
      ".github/workflows/b.yml": callee("first b"),
    });
    git(own, "tag", "-a", "v1", "-m", "v1");
    git(own, "branch", "next");
    commit(own, { ".github/workflows/b.yml": callee("second b") });
    const uses = [
      "me/OWN/.github/workflows/a.yml@v1",
      "Me/own/.github/workflows/a.yml@next",
      "./.github/workflows/b.yml",
    ];
    const called = await load(uses);
    for (const [index, ref] of [
      [0, "v1"],
      [1, "next"],
    ] as const) {
      const a = called(uses[index] ?? "", ROOT);
      expect(a).toMatchObject({ kind: "found", origin: { ref, sha: first, path: ".github/workflows/a.yml" } });
      if (a.kind !== "found") throw new Error(a.message);
      expect(nameOf(called("./.github/workflows/b.yml", a.origin))).toBe("first b");
    }
    expect(nameOf(called("./.github/workflows/b.yml", ROOT))).toBe("second b");
  });

  it("keeps the working tree and a commit of the same name apart", async () => {
    commit(own, {
      ".github/workflows/a.yml": callee("a", "./.github/workflows/b.yml"),
      ".github/workflows/b.yml": callee("old"),
    });
    writeFiles(own, { ".github/workflows/b.yml": callee("edited") });
    const sha = git(own, "rev-parse", "HEAD");
    const remote = "Me/own/.github/workflows/a.yml@refs/heads/main";
    const called = await load([remote, "./.github/workflows/b.yml"]);
    const a = called(remote, ROOT);
    if (a.kind !== "found") throw new Error(a.message);
    expect(nameOf(called("./.github/workflows/b.yml", a.origin))).toBe("old");
    expect(nameOf(called("./.github/workflows/b.yml", { ...ROOT, sha }))).toBe("edited");
  });

  it("that is not there, cannot be read or is too large is told", async () => {
    mkdirSync(join(own, ".github/workflows/dir.yml"));
    writeFiles(own, {
      ".github/workflows/large.yml": `# ${"x".repeat(1_048_576)}`,
      ".github/workflows/huge.yml": " ".repeat(5 << 20),
      ".github/workflows/bomb.yml": bomb(),
    });
    expect(nameOf(await loadOne("./.github/workflows/none.yml"))).toContain("there is no .github/workflows/none.yml");
    expect(nameOf(await loadOne("./.github/workflows/dir.yml"))).toContain("not a regular file");
    expect(nameOf(await loadOne("./.github/workflows/large.yml"))).toContain("exceeded");
    expect(nameOf(await loadOne("./.github/workflows/huge.yml"))).toContain("larger than");
    expect(nameOf(await loadOne("./.github/workflows/bomb.yml"))).toMatch(/exceeded|aliases/);
    expect(nameOf(await loadOne("./.github/workflows/../../a.yml"))).toContain("Invalid workflow reference");
  });

  it("that is not there is no lack of ours, unlike one of another repository", async () => {
    expect(await loadOne("./.github/workflows/none.yml")).toMatchObject({ kind: "invalid" });
    expect(await loadOne("./workflows/none.yml")).toMatchObject({ kind: "invalid" });
    expect(await loadOne("octo/elsewhere/.github/workflows/none.yml@v1")).toMatchObject({ kind: "missing" });
  });

  it("ends where workflows call one another in a circle", async () => {
    writeFiles(own, {
      ".github/workflows/a.yml": callee("a", "./.github/workflows/b.yml"),
      ".github/workflows/b.yml": callee("b", "./.github/workflows/a.yml", "./.github/workflows/b.yml"),
    });
    const called = await load(["./.github/workflows/a.yml"]);
    expect(nameOf(called("./.github/workflows/b.yml", ROOT))).toBe("b");
  });

  it("is loaded to one level and one file beyond GitHub's limits, and no further", async () => {
    const chain = Array.from({ length: 14 }, (_, i) => [
      `.github/workflows/c${i}.yml`,
      callee(`c${i}`, `./.github/workflows/c${i + 1}.yml`),
    ]);
    const many = Array.from({ length: 60 }, (_, i) => [`.github/workflows/m${i}.yml`, callee(`m${i}`)]);
    writeFiles(own, Object.fromEntries([...chain, ...many]));
    const called = await load(["./.github/workflows/c0.yml"]);
    expect(nameOf(called("./.github/workflows/c9.yml", ROOT))).toBe("c9");
    expect(nameOf(called("./.github/workflows/c10.yml", ROOT))).toContain("not looked for");
    const uses = many.map(([path]) => `./${path}`);
    const all = await load(uses);
    expect(uses.filter((one) => all(one, ROOT).kind === "found")).toHaveLength(51);
  });
});

describe("a workflow of another repository", () => {
  const USES = "octo/shared/.github/workflows/a.yml@v1";
  let source: string;
  let mirrors: string;
  let sha: string;

  beforeEach(() => {
    source = join(directory.path, "source");
    createRepository(source, { "big.bin": "x".repeat(100_000) });
    sha = commit(source, {
      ".github/workflows/a.yml": callee("shared", "./.github/workflows/b.yml"),
      ".github/workflows/b.yml": callee("shared b"),
      ".github/workflows/large.yml": `# ${"x".repeat(1_048_576)}`,
      ".github/workflows/bomb.yml": bomb(),
    });
    git(source, "tag", "-a", "v1", "-m", "v1");
    // A branch of the same name, which the tag goes before.
    git(source, "checkout", "-q", "-b", "v1");
    commit(source, { ".github/workflows/a.yml": callee("branch v1") });
    git(source, "checkout", "-q", "main");
    git(source, "branch", "deadbeef");
    mirrors = join(directory.path, "mirrors");
    mkdirSync(join(mirrors, "octo"), { recursive: true });
    git(source, "clone", "-q", "--bare", source, join(mirrors, "octo/shared.git"));
  });

  it("comes from the mirror, whatever the case of its name, with what it calls by ./", async () => {
    for (const uses of [USES, "OCTO/Shared/.github/workflows/a.yml@v1"]) {
      const called = await load([uses], { mirrorDir: mirrors });
      const a = called(uses, ROOT);
      expect(a).toMatchObject({ kind: "found", origin: { ref: "v1", sha } });
      expect(nameOf(a)).toBe("shared");
      if (a.kind !== "found") throw new Error(a.message);
      const b = called("./.github/workflows/b.yml", a.origin);
      expect(b).toMatchObject({ path: expect.stringMatching(/^octo\/shared\/\.github\/workflows\/b\.yml@v1$/i) });
      expect(nameOf(b)).toBe("shared b");
      expect(nameOf(called("./.github/workflows/b.yml", ROOT))).toContain("not looked for");
    }
  });

  it("is not looked for when the event does not start its caller", async () => {
    expect(nameOf(await loadOne(USES, { mirrorDir: mirrors, starts: false }))).toContain("not looked for");
  });

  it("says where it was looked for when it is nowhere, and what to do", async () => {
    const message = nameOf(await loadOne("octo/absent/.github/workflows/a.yml@v1", { mirrorDir: mirrors }));
    expect(message).toContain(`no octo/absent.git in ${mirrors}`);
    expect(message).toContain("http://127.0.0.1:1/octo/absent.git: ");
    expect(message).toContain("--mirror DIR");
  });

  it("refuses a short commit id, and an id that is a tag's and not a commit's", async () => {
    const short = sha.slice(0, 8);
    const message = nameOf(await loadOne(`octo/shared/.github/workflows/a.yml@${short}`, { mirrorDir: mirrors }));
    expect(message).toContain("all 40 digits");
    const tag = git(source, "rev-parse", "v1^{tag}");
    expect((await loadOne(`octo/shared/.github/workflows/a.yml@${tag}`, { mirrorDir: mirrors })).kind).toBe("missing");
    // A branch may be called so.
    expect((await loadOne("octo/shared/.github/workflows/a.yml@deadbeef", { mirrorDir: mirrors })).kind).toBe("found");
  });

  it("that lies elsewhere in the tree, or is a link, is not found", async () => {
    git(join(mirrors, "octo/shared.git"), "symbolic-ref", "HEAD", "refs/heads/main");
    const none = await loadOne("octo/shared/.github/workflows/none.yml@v1", { mirrorDir: mirrors });
    expect(nameOf(none)).toContain("there is no octo/shared/.github/workflows/none.yml@v1");
  });

  describe("on a server", () => {
    let endpoint: GitEndpoint;
    let server: Server;
    let url: string;
    let requests: IncomingMessage[];
    let answer: "serve" | "401 without a token" | "never" | "redirect";

    beforeEach(async () => {
      requests = [];
      answer = "serve";
      endpoint = createGitEndpoint(createLookup(undefined, mirrors));
      server = createServer((request, response) => {
        requests.push(request);
        if (answer === "never") return undefined;
        if (answer === "redirect") return response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
        const isAllowed = request.headers.authorization === `Basic ${btoa("x-access-token:s3cret")}`;
        if (answer === "401 without a token" && !isAllowed) {
          return response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
        }
        return endpoint.handle(request, response, request.url ?? "") || response.writeHead(404).end();
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("a TCP listener has a port");
      url = `http://127.0.0.1:${address.port}`;
    });

    afterEach(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await endpoint[Symbol.asyncDispose]();
    });

    it("is fetched by tag, branch, full name and commit, and only what is needed is", async () => {
      const refs = ["v1", "main", "refs/heads/main", "refs/tags/v1", sha];
      for (const ref of refs) {
        const uses = `octo/shared/.github/workflows/a.yml@${ref}`;
        const called = await load([uses], { serverUrl: url });
        const a = called(uses, ROOT);
        expect(a).toMatchObject({ kind: "found", origin: { ref, sha } });
        expect(nameOf(a)).toBe("shared");
        if (a.kind !== "found") throw new Error(a.message);
        expect(nameOf(called("./.github/workflows/b.yml", a.origin))).toBe("shared b");
      }
      const cache = join(directory.path, "data/mirrors", new URL(url).host, "octo/shared.git");
      const objects = git(cache, "cat-file", "--batch-all-objects", "--batch-check");
      expect(objects.match(/ blob /g)).toHaveLength(2);
      expect(objects.match(/ commit /g)).toHaveLength(1);
    });

    it("is not fetched again when its commit is here, and a moved branch is", async () => {
      const pinned = `octo/shared/.github/workflows/a.yml@${sha}`;
      await loadOne(pinned, { serverUrl: url });
      requests.length = 0;
      answer = "never";
      expect(nameOf(await loadOne(pinned, { serverUrl: url }))).toBe("shared");
      expect(requests).toEqual([]);
      answer = "serve";
      const branch = "octo/shared/.github/workflows/a.yml@main";
      expect(nameOf(await loadOne(branch, { serverUrl: url }))).toBe("shared");
      commit(source, { ".github/workflows/a.yml": callee("moved") });
      git(source, "push", "-q", join(mirrors, "octo/shared.git"), "main");
      expect(nameOf(await loadOne(branch, { serverUrl: url }))).toBe("moved");
    });

    it("asks once for a ref, however many call by it, so that all see one commit", async () => {
      const uses = ["a", "b", "large"].map((name) => `octo/shared/.github/workflows/${name}.yml@v1`);
      await load(uses, { serverUrl: url });
      const listings = requests.filter((request) => request.url?.includes("/info/refs"));
      // One for the listing, one for the commit, one for each file.
      expect(listings).toHaveLength(2 + 3);
    });

    it("may be hostile: too large, an alias bomb, absent, or a ref that is not there", async () => {
      expect(nameOf(await loadOne(`octo/shared/.github/workflows/large.yml@v1`, { serverUrl: url }))).toContain(
        "exceeded",
      );
      expect(nameOf(await loadOne(`octo/shared/.github/workflows/bomb.yml@v1`, { serverUrl: url }))).toMatch(
        /exceeded|aliases/,
      );
      expect(nameOf(await loadOne(`octo/shared/.github/workflows/none.yml@v1`, { serverUrl: url }))).toContain(
        "there is no octo/shared/.github/workflows/none.yml@v1",
      );
      expect(nameOf(await loadOne(`octo/shared/.github/workflows/a.yml@v9`, { serverUrl: url }))).toContain(
        "has no branch, tag or commit v9",
      );
      expect(
        nameOf(await loadOne(`octo/shared/.github/workflows/a.yml@${"1".repeat(40)}`, { serverUrl: url })),
      ).toContain("not our ref");
      expect(nameOf(await loadOne(`octo/shared/.github/workflows/a.yml@heads/main`, { serverUrl: url }))).toContain(
        "has no branch, tag or commit",
      );
    });

    it("of a private repository needs the token, which stands on no command line, address or file", async () => {
      answer = "401 without a token";
      const refused = nameOf(await loadOne(USES, { serverUrl: url }));
      expect(refused).toContain("token in GITHUB_TOKEN");
      const wrong = nameOf(await loadOne(USES, { serverUrl: url, token: "wr0ng" }));
      expect(wrong).not.toContain("wr0ng");
      const lines: string[] = [];
      const watch = (): void => void lines.push(...childCommandLines());
      server.on("request", watch);
      expect(nameOf(await loadOne(USES, { serverUrl: url, token: "s3cret" }))).toBe("shared");
      expect(lines.some((line) => line.includes("ls-remote"))).toBe(true);
      expect(lines.filter((line) => line.includes("s3cret") || line.includes(btoa("x-access-token:s3cret")))).toEqual(
        [],
      );
      expect(requests.filter((request) => request.url?.includes("s3cret"))).toEqual([]);
      const data = join(directory.path, "data");
      const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      for (const file of files) {
        expect(readFileSync(join(file.parentPath, file.name), "latin1")).not.toMatch(/s3cret|eC1hY2Nlc3MtdG9rZW4/);
      }
    });

    it("does not follow a redirect", async () => {
      answer = "redirect";
      expect((await loadOne(USES, { serverUrl: url, token: "s3cret" })).kind).toBe("missing");
      expect(requests).toHaveLength(1);
    });

    it("is given up when the deadline has passed, and nothing is left running", async () => {
      answer = "never";
      const deadline = new AbortController();
      server.once("request", () => deadline.abort(new DOMException("late", "TimeoutError")));
      const message = nameOf(await loadOne(USES, { serverUrl: url, signal: deadline.signal }));
      expect(message).toContain("it took too long");
      expect(childCommandLines().filter((line) => line.includes(url))).toEqual([]);
    });
  });
});

/** Doubles nine times nine times over when its aliases are followed. */
function bomb(): string {
  const lines = Array.from({ length: 9 }, (_, i) => `  a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(", ")}]`);
  return `on: workflow_call\nenv:\n  a0: &a0 x\n${lines.join("\n")}\njobs: {}\n`;
}

/** Of all git processes of this host that name this test's directory or server. */
function childCommandLines(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const line = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, "utf8") : "";
      return line.includes("git") && line.includes("127.0.0.1") ? [line] : [];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}
