/** The script is run for real: bash and git on this host, against the git endpoint on loopback. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { commit, createRepository, createTestDirectory, git, writeFiles } from "../git/repository.fixture.ts";
import type { TestDirectory } from "../git/repository.fixture.ts";
import { createServices } from "../service/local-services.ts";
import type { AttachedServices } from "../service/services.ts";
import { planCheckout } from "./checkout.ts";
import type { CheckoutContext } from "./checkout.ts";

let directory: TestDirectory;
let services: AttachedServices;
let base: CheckoutContext;
let first: string;
let head: string;
let side: string;
let library: string;
let count = 0;
let workspace: string;

beforeAll(async () => {
  directory = createTestDirectory();
  const source = join(directory.path, "mirrors/octo/hello.git");
  library = join(directory.path, "mirrors/octo/library.git");
  const nested = join(directory.path, "mirrors/octo/nested.git");
  createRepository(nested, { n: "nested" });
  createRepository(library, { l: "library" });
  const submodule = ["https://github.com/", "git@github.com:"]
    .flatMap((address) => ["-c", `url.${directory.path}/mirrors/.insteadOf=${address}`])
    .concat("-c", "protocol.file.allow=always");
  git(library, ...submodule, "submodule", "--quiet", "add", "https://github.com/octo/nested.git", "nested");
  commit(library, {});
  first = createRepository(source, { a: "1", "dir/b": "1", "other/c": "1" });
  git(source, "tag", "-a", "-m", "note", "v1");
  git(source, "tag", "light");
  head = commit(source, { a: "2" }, "second ##[add-path]/tmp");
  git(source, "checkout", "-q", "-b", "side");
  side = commit(source, { a: "side" });
  git(source, "checkout", "-q", "-b", "with-lost-submodule", "main");
  writeFiles(source, { ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = https://github.com/octo/lost\n' });
  git(source, "add", ".gitmodules");
  git(source, "update-index", "--add", "--cacheinfo", `160000,${first},x`);
  git(source, "commit", "-q", "-m", "lost");
  git(source, "checkout", "-q", "-b", "with-submodule", "main");
  git(source, ...submodule, "submodule", "--quiet", "add", "git@github.com:octo/library.git", "lib");
  commit(source, {});
  git(source, "checkout", "-q", "main");
  git(source, "update-ref", "refs/pull/7/merge", side);
  services = await createServices({
    lookup: (owner, name) => {
      const gitDir = join(directory.path, "mirrors", owner, `${name}.git/.git`);
      return existsSync(gitDir) ? gitDir : undefined;
    },
  }).attach({ egress: undefined, network: { kind: "closed" }, onDecision: () => {} });
  if (services.url === undefined) throw new Error("a loopback listener has an address");
  base = {
    repository: "octo/hello",
    sha: head,
    ref: "refs/heads/main",
    workspace: "",
    temp: join(directory.path, "temp"),
    gitUrl: services.url,
    serverUrl: "https://github.com",
    token: "ghs_canary",
  };
});

afterAll(async () => {
  await services[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

beforeEach(() => {
  workspace = join(directory.path, `work-${++count}`, "hello");
  mkdirSync(workspace, { recursive: true });
});

interface Ran {
  readonly code: number;
  readonly log: string;
  readonly outputs: string;
}

async function checkout(inputs: { [name: string]: string } = {}, context: Partial<CheckoutContext> = {}): Promise<Ran> {
  const plan = planCheckout(inputs, { ...base, workspace, ...context });
  if (plan.kind === "refused") throw new Error(plan.message);
  expect(JSON.stringify(plan.main)).not.toContain("ghs_canary");
  const output = join(workspace, "..", "output");
  writeFileSync(output, "");
  const script = join(workspace, "..", "script.sh");
  writeFileSync(script, plan.main.script);
  const env = {
    PATH: process.env["PATH"],
    HOME: "/nonexistent",
    GITHUB_OUTPUT: output,
    GIT_CONFIG_NOSYSTEM: "1",
    ...plan.main.env,
  };
  const argv = ["--noprofile", "--norc", "-e", "-o", "pipefail", script];
  const ended = await promisify(execFile)("bash", argv, { cwd: plan.workdir, env })
    .then(({ stdout, stderr }) => ({ code: 0, stdout, stderr }))
    .catch((error: { code: number; stdout: string; stderr: string }) => error);
  return { code: ended.code, log: `${ended.stdout}${ended.stderr}`, outputs: readFileSync(output, "utf8") };
}

function at(...args: string[]): string {
  return git(workspace, ...args);
}

function refs(path = workspace): string[] {
  return git(path, "for-each-ref", "--format=%(refname)").split("\n");
}

describe("planCheckout", () => {
  it("leaves a branch as a clone of depth 1 would, down to refs and settings", async () => {
    const { code, outputs } = await checkout();
    expect(code).toBe(0);
    expect(outputs).toBe(`ref=refs/heads/main\ncommit=${head}\n`);
    const clone = join(directory.path, "clone");
    const source = join(directory.path, "mirrors/octo/hello.git");
    git(directory.path, "clone", "-q", "--depth=1", "--no-tags", `file://${source}`, clone);
    git(clone, "remote", "set-url", "origin", "https://github.com/octo/hello");
    for (const question of [
      ["rev-parse", "HEAD", "HEAD^{tree}", "main@{upstream}", "--is-shallow-repository"],
      ["symbolic-ref", "HEAD"],
      ["rev-list", "--count", "HEAD"],
      ["ls-files", "-s"],
      ["status", "--porcelain", "--branch"],
      ["config", "--get-regexp", "^(remote.origin.url|branch.main)"],
    ]) {
      expect(at(...question)).toBe(git(clone, ...question));
    }
    expect(refs()).toEqual(["refs/heads/main", "refs/remotes/origin/main"]);
    expect(at("config", "remote.origin.fetch")).toBe("+refs/heads/*:refs/remotes/origin/*");
    expect(at("config", "gc.auto")).toBe("0");
    expect(readdirSync(workspace).toSorted()).toEqual([".git", "a", "dir", "other"]);
  });

  it("logs in groups, and prints nothing that a commit's author wrote", async () => {
    const { log } = await checkout({ ref: head });
    expect(log.match(/^::group::.*/gm)).toEqual([
      "::group::Getting Git version info",
      "::group::Initializing the repository",
      "::group::Disabling automatic garbage collection",
      "::group::Fetching the repository",
      "::group::Determining the checkout info",
      "::group::Checking out the ref",
    ]);
    expect(log.match(/^::endgroup::/gm)).toHaveLength(6);
    expect(log).toContain("Syncing repository: octo/hello\n");
    expect(log).not.toContain("##[");
  });

  it.each([
    {
      what: "a pull request's merge commit, detached",
      context: { ref: "refs/pull/7/merge" },
      ref: "refs/pull/7/merge",
      refs: ["refs/remotes/pull/7/merge"],
    },
    {
      what: "a tag, detached",
      context: { ref: "refs/tags/v1" },
      ref: "refs/tags/v1",
      refs: ["refs/tags/v1"],
    },
    { what: "a lightweight tag", inputs: { ref: "light" }, ref: "light", refs: ["refs/tags/light"] },
    { what: "a tag by its full name", inputs: { ref: "refs/tags/v1" }, ref: "refs/tags/v1", refs: ["refs/tags/v1"] },
    { what: "a commit that no branch points to", inputs: { ref: "FIRST" }, ref: "", refs: [""] },
  ])("checks out $what", async ({ inputs, context, ref, refs: expected }) => {
    const commits: { [name: string]: string } = { "refs/pull/7/merge": side };
    const sha = commits[ref] ?? first;
    const { code, outputs } = await checkout(inputs?.ref === "FIRST" ? { ref: first.toUpperCase() } : inputs, {
      ...context,
      sha,
    });
    expect(code).toBe(0);
    expect(outputs).toBe(`ref=${ref}\ncommit=${sha}\n`);
    expect(at("rev-parse", "HEAD")).toBe(sha);
    expect(at("branch", "--show-current")).toBe("");
    expect(refs()).toEqual(expected);
  });

  it("keeps the annotation of a tag", async () => {
    await checkout({}, { ref: "refs/tags/v1", sha: first });
    expect(at("cat-file", "-t", "v1")).toBe("tag");
  });

  it.each(["side", "refs/heads/side"])("checks out another branch by %s as a local one", async (ref) => {
    const { outputs } = await checkout({ ref });
    expect(outputs).toBe(`ref=${ref}\ncommit=${side}\n`);
    expect(at("symbolic-ref", "HEAD")).toBe("refs/heads/side");
    expect(at("rev-parse", "@{upstream}")).toBe(side);
  });

  it("says of a branch that it does not exist", async () => {
    const { code, log } = await checkout({ ref: "nowhere" });
    expect(code).toBe(1);
    expect(log).toContain("::error::A branch or tag with the name 'nowhere' could not be found\n");
  });

  it("fails when a tag has moved away from the commit of the event", async () => {
    const { code, log } = await checkout({}, { ref: "refs/tags/v1", sha: head });
    expect(code).toBe(1);
    expect(log).toContain(`::error::The ref 'refs/tags/v1' does not point to the expected commit ${head}`);
  });

  it("takes the commit of the event though its branch has moved on", async () => {
    for (const depth of ["1", "0"]) {
      const { code } = await checkout({ "fetch-depth": depth }, { sha: first });
      expect(code).toBe(0);
      expect(at("rev-parse", "HEAD", "main", "origin/main")).toBe(`${first}\n${first}\n${first}`);
    }
  });

  it("fetches all branches and tags at depth 0, and only as many commits as asked for otherwise", async () => {
    await checkout({ "fetch-depth": "2" }, { ref: "refs/heads/side", sha: side });
    expect(at("rev-list", "--count", "HEAD")).toBe("2");
    expect(at("rev-parse", "--is-shallow-repository")).toBe("true");
    await checkout({ "fetch-depth": "0" }, { ref: "refs/heads/side", sha: side });
    expect(at("rev-list", "--count", "HEAD")).toBe("3");
    expect(at("rev-parse", "--is-shallow-repository")).toBe("false");
    expect(refs()).toEqual([
      "refs/heads/side",
      "refs/remotes/origin/main",
      "refs/remotes/origin/side",
      "refs/remotes/origin/with-lost-submodule",
      "refs/remotes/origin/with-submodule",
      "refs/tags/light",
      "refs/tags/v1",
    ]);
  });

  it("fetches the commit itself at depth 0 when no branch holds it", async () => {
    const loose = git(join(directory.path, "mirrors/octo/hello.git"), "commit-tree", "-m", "loose", `${head}^{tree}`);
    expect((await checkout({ "fetch-depth": "0", ref: loose })).code).toBe(0);
    expect(at("rev-parse", "HEAD")).toBe(loose);
  });

  it("fetches tags beside one commit when asked to", async () => {
    await checkout({ "fetch-tags": "true" });
    expect(refs()).toEqual(["refs/heads/main", "refs/remotes/origin/main", "refs/tags/light", "refs/tags/v1"]);
  });

  it("is quiet about progress when asked to", async () => {
    expect((await checkout({ "show-progress": "false" })).log).toContain(
      "[command]git fetch --no-tags --prune --no-recurse-submodules --quiet",
    );
  });

  it("puts another repository, by its default branch, into a directory of its own", async () => {
    await checkout();
    const { code, outputs } = await checkout({ repository: "octo/library", path: "deps/lib" });
    expect(code).toBe(0);
    const path = join(workspace, "deps/lib");
    expect(outputs).toBe(`ref=refs/heads/main\ncommit=${git(library, "rev-parse", "main")}\n`);
    expect(git(path, "remote", "get-url", "origin")).toBe("https://github.com/octo/library");
    expect(git(path, "symbolic-ref", "HEAD")).toBe("refs/heads/main");
    expect(at("rev-parse", "HEAD")).toBe(head);
  });

  it("says of a repository that it is not served here", async () => {
    for (const inputs of [{ repository: "octo/absent" }, { repository: "octo/absent", ref: "main" }]) {
      const { code, log } = await checkout(inputs);
      expect(code).not.toBe(0);
      expect(log).toContain("hearth: no repository octo/absent here");
      expect(log).toContain("::error::");
    }
  });

  it("cleans what is there from the same repository, unless told not to", async () => {
    await checkout();
    git(workspace, "checkout", "-q", "-b", "leftover");
    writeFiles(workspace, {
      a: "edited",
      untracked: "",
      ".gitignore": "ignored\n",
      ignored: "",
      ".git/index.lock": "",
    });
    const { code } = await checkout({ clean: "false" });
    expect(code).toBe(0);
    expect(readdirSync(workspace)).toContain("untracked");
    expect(readFileSync(join(workspace, "a"), "utf8")).toBe("2");
    expect((await checkout()).code).toBe(0);
    expect(readdirSync(workspace).toSorted()).toEqual([".git", "a", "dir", "other"]);
    expect(refs()).toEqual(["refs/heads/main", "refs/remotes/origin/main"]);
  });

  it("empties a directory that holds another repository or plain files, and takes the place of a file", async () => {
    writeFiles(workspace, { "-rf": "", ".hidden": "", "x/y": "" });
    await checkout();
    expect(readdirSync(workspace).toSorted()).toEqual([".git", "a", "dir", "other"]);
    await checkout({ repository: "octo/library" });
    expect(readdirSync(workspace).toSorted()).toEqual([".git", ".gitmodules", "l", "nested"]);
    expect((await checkout({ path: "l" })).code).toBe(0);
    expect(readFileSync(join(workspace, "l/a"), "utf8")).toBe("2");
  });

  it("makes a repository anew when what is there is broken", async () => {
    await checkout();
    writeFileSync(join(workspace, ".git/HEAD"), "ref: refs/heads/gone\n");
    writeFiles(workspace, { junk: "" });
    expect((await checkout()).code).toBe(0);
    expect(existsSync(join(workspace, "junk"))).toBe(false);
    expect(at("status", "--porcelain")).toBe("");
  });

  it("checks out directories only, by cone or by pattern, without the other blobs", async () => {
    await checkout({ "sparse-checkout": "dir\n" });
    expect(readdirSync(workspace).toSorted()).toEqual([".git", "a", "dir"]);
    expect(at("config", "remote.origin.partialclonefilter")).toBe("blob:none");
    await checkout();
    expect(readdirSync(workspace).toSorted()).toEqual([".git", "a", "dir", "other"]);
    workspace = join(workspace, "..", "pattern");
    mkdirSync(workspace);
    await checkout({ "sparse-checkout": "/other/*\n!--x", "sparse-checkout-cone-mode": "false" });
    expect(readdirSync(workspace).toSorted()).toEqual([".git", "other"]);
  });

  it("passes a filter on", async () => {
    await checkout({ filter: "tree:0", "fetch-depth": "0" });
    expect(at("config", "remote.origin.partialclonefilter")).toBe("tree:0");
    expect(readFileSync(join(workspace, "a"), "utf8")).toBe("2");
  });

  it("fetches submodules, and theirs when told to, by https and by ssh addresses of GitHub", async () => {
    const inputs = { ref: "with-submodule" };
    await checkout(inputs);
    expect(readdirSync(join(workspace, "lib"))).toEqual([]);
    expect((await checkout({ ...inputs, submodules: "true" })).code).toBe(0);
    expect(readFileSync(join(workspace, "lib/l"), "utf8")).toBe("library");
    expect(readdirSync(join(workspace, "lib/nested"))).toEqual([]);
    expect((await checkout({ ...inputs, submodules: "recursive" })).code).toBe(0);
    expect(readFileSync(join(workspace, "lib/nested/n"), "utf8")).toBe("nested");
    expect(git(join(workspace, "lib/nested"), "rev-parse", "--is-shallow-repository")).toBe("true");
    expect(git(join(workspace, "lib"), "config", "gc.auto")).toBe("0");
  });

  it("names the submodule that is not served here", async () => {
    const { code, log } = await checkout({ ref: "with-lost-submodule", submodules: "true" });
    expect(code).not.toBe(0);
    expect(log).toContain("hearth: no repository octo/lost here");
  });

  it.each(["true", "false"])("has no credentials in the repository with persist-credentials: %s", async (persist) => {
    await checkout({ "persist-credentials": persist, token: "ghs_canary" });
    git(workspace, "config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic old");
    await checkout({ "persist-credentials": persist, token: "ghs_canary" });
    expect(at("config", "--list", "--local")).not.toMatch(/extraheader|canary|includeif/i);
  });

  it("trusts the directory for its own time only, unless told not to", () => {
    expect(variables({ path: "x" })).toContain("safe.directory");
    expect(variables({ "set-safe-directory": "false" })).not.toContain("safe.directory");
  });

  it.each([
    [{ lfs: "true" }, "Input 'lfs'"],
    [{ "ssh-key": "-----BEGIN" }, "Input 'ssh-key'"],
    [{ "github-server-url": "https://ghe.example" }, "Input 'github-server-url'"],
    [{ filter: "--upload-pack=touch /pwn" }, "Input 'filter'"],
    [{ repository: "hello" }, "Invalid repository 'hello'"],
    [{ repository: "a/b/c" }, "Invalid repository"],
    [{ repository: "../x" }, "Invalid repository"],
    [{ repository: "-u/x" }, "Invalid repository"],
    [{ repository: "o/.." }, "Invalid repository"],
    [{ repository: "o/x@y" }, "Invalid repository"],
    [{ path: ".." }, "is not under"],
    [{ path: "a/../../b" }, "is not under"],
    [{ path: "/etc" }, "is not under"],
    [{ path: "../hello-evil" }, "is not under"],
    [{ ref: "--upload-pack=touch$IFS/pwn" }, "is not a valid name"],
    [{ ref: "-x" }, "is not a valid name"],
    [{ ref: "a\n::add-mask::b" }, "is not a valid name"],
    [{ ref: "a:b" }, "is not a valid name"],
    [{ ref: "a..b" }, "is not a valid name"],
    [{ ref: "main^{tree}" }, "is not a valid name"],
    [{ ref: "refs/heads/*" }, "is not a valid name"],
  ])("refuses %j before anything runs", (inputs, message) => {
    const plan = planCheckout(inputs, { ...base, workspace });
    expect(plan.kind === "refused" ? plan.message : "accepted").toContain(message);
  });

  it.each([
    { path: workspaceChild },
    { path: () => "." },
    { path: () => "./sub/../sub" },
    { path: () => "with space/ü" },
  ])("takes a path inside the workspace", async ({ path }) => {
    expect((await checkout({ path: path() })).code).toBe(0);
  });

  it("does not follow a link out of the workspace", async () => {
    const outside = join(workspace, "..", "outside");
    writeFiles(outside, { canary: "" });
    symlinkSync("../outside", join(workspace, "link"));
    for (const path of ["link", "link/deeper", "link/canary"]) {
      const { code, log } = await checkout({ path });
      expect(code).toBe(1);
      expect(log).toContain("leads out of the workspace");
    }
    expect(readdirSync(outside)).toEqual(["canary"]);
  });

  it("runs nothing that is hidden in a value", async () => {
    const canary = join(workspace, "..", "canary");
    const hidden = [
      `$(touch ${canary})`,
      `\`touch ${canary}\``,
      `'; touch ${canary}; '`,
      `"; touch ${canary}; "`,
      `x\ntouch ${canary}`,
    ];
    for (const value of hidden) {
      const inputs = [
        { path: value },
        { "sparse-checkout": value },
        { "sparse-checkout": value, "sparse-checkout-cone-mode": "false" },
      ];
      for (const input of inputs) await checkout(input);
    }
    await checkout({ ref: 'zzz";echo${IFS}"hello";#' });
    expect(existsSync(canary)).toBe(false);
  });

  it("has the same script whatever the inputs are, and takes only refs that git takes", () => {
    const plain = planCheckout({}, { ...base, workspace: "/w" });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (ref, path) => {
        const plan = planCheckout({ ref, path, "sparse-checkout": ref }, { ...base, workspace: "/w" });
        if (plan.kind === "refused" || plain.kind === "refused") return;
        expect(plan.main.script).toBe(plain.main.script);
        expect(plan.main.env["CHECKOUT_REF"]).not.toMatch(/^-|[\0-\x20]|\.\./);
        expect(`${plan.main.env["CHECKOUT_PATH"]}/`).toMatch(/^\/w\//);
      }),
    );
  });
});

function workspaceChild(): string {
  return join(workspace, "child");
}

function variables(inputs: { [name: string]: string }): string[] {
  const plan = planCheckout(inputs, { ...base, workspace });
  return plan.kind === "script" ? Object.values(plan.main.env) : [];
}
