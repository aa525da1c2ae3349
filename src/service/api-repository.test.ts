import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serveApi } from "./api.fixture.ts";
import type { ServedApi } from "./api.fixture.ts";

const R = "/repos/octo/repo";
let api: ServedApi;
beforeAll(async () => {
  api = await serveApi({ withMirror: true });
});
afterAll(() => api[Symbol.asyncDispose]());

describe("the repository", () => {
  it("is shown with the ids of the github context, and addresses of the API that lead here", async () => {
    expect(await api.get(R)).toMatchObject({
      id: 1001,
      full_name: "octo/repo",
      owner: { login: "octo", id: 2001 },
      default_branch: "main",
      url: `${api.origin}/api/v3/repos/octo/repo`,
      html_url: "https://github.com/octo/repo",
      clone_url: "https://github.com/octo/repo.git",
      permissions: { push: true, pull: true },
    });
    expect(await api.get(`${R}/hash-algorithm`)).toEqual({ hash_algorithm: "sha1" });
    expect(await api.get("/repositories/1001")).toMatchObject({ full_name: "octo/repo" });
    expect(await api.get("/repos/OCTO/Repo")).toMatchObject({ full_name: "octo/repo" });
  });

  it.each(["", "/api/v3"])("answers below '%s'", async (base) => {
    expect((await api.ask("GET", R, { base })).body).toMatchObject({ id: 1001 });
  });

  it("knows the actor and the owner as people who may write, and nobody else", async () => {
    for (const [login, permission] of [
      ["ann", "write"],
      ["octo", "admin"],
      ["eve", "read"],
    ])
      expect(await api.get(`${R}/collaborators/${login}/permission`)).toMatchObject({ permission, user: { login } });
    expect((await api.ask("GET", `${R}/collaborators/eve`)).status).toBe(404);
    expect((await api.ask("GET", `${R}/collaborators/ann`)).status).toBe(204);
  });

  it("lists branches and tags, and finds a branch whose name has slashes, encoded or not", async () => {
    expect(await api.get(`${R}/branches`)).toMatchObject([
      { name: "feature/with-slash" },
      { name: "main", commit: { sha: api.commits.main } },
      { name: "topic" },
    ]);
    for (const name of ["feature/with-slash", "feature%2Fwith-slash"])
      expect(await api.get(`${R}/branches/${name}`)).toMatchObject({
        name: "feature/with-slash",
        commit: { sha: api.commits.topic },
      });
    expect((await api.ask("GET", `${R}/branches/none`)).status).toBe(404);
    expect(await api.get(`${R}/tags`)).toMatchObject([
      { name: "v1.1.0", commit: { sha: api.commits.first } },
      { name: "v1.0.0", commit: { sha: api.commits.first } },
    ]);
    expect(await api.get(`${R}/git/ref/heads/main`)).toMatchObject({
      object: { sha: api.commits.main, type: "commit" },
    });
    expect(await api.get(`${R}/git/ref/tags%2Fv1.1.0`)).toMatchObject({ object: { type: "tag" } });
    expect(await api.get(`${R}/git/matching-refs/heads/fea`)).toMatchObject([{ ref: "refs/heads/feature/with-slash" }]);
  });

  it("shows annotated tags as objects of their own", async () => {
    const { body } = await api.ask("GET", `${R}/git/ref/tags/v1.1.0`);
    const sha = /"sha":"([0-9a-f]{40})"/.exec(JSON.stringify(body))?.[1];
    expect(await api.get(`${R}/git/tags/${sha}`)).toMatchObject({
      tag: "v1.1.0",
      message: "Annotated\n",
      tagger: { name: "Ann", date: "2026-01-02T03:04:05Z" },
      object: { sha: api.commits.first, type: "commit" },
    });
  });

  it("gives files, directories and raw contents at any ref", async () => {
    const encoded = Buffer.from("one\nTWO\nthree\nfour\nfive\nsix\n").toString("base64");
    expect(await api.get(`${R}/contents/src/a.txt?ref=topic`)).toMatchObject({
      type: "file",
      path: "src/a.txt",
      encoding: "base64",
      content: `${encoded}\n`,
    });
    expect(await api.get(`${R}/contents/src%2Fa.txt?ref=${api.commits.topic.slice(0, 8)}`)).toMatchObject({
      content: `${encoded}\n`,
    });
    expect(await api.get(`${R}/contents/`)).toMatchObject([
      { name: ".github", type: "dir" },
      { name: "README.md", type: "file" },
      { name: "old name.txt" },
      { name: "only-main.txt" },
      { name: "src" },
    ]);
    for (const accept of [
      "application/vnd.github.raw",
      "application/vnd.github.v3.raw",
      "application/vnd.github.VERSION.raw",
    ]) {
      const raw = await api.ask("GET", `${R}/contents/README.md`, { headers: { accept } });
      expect(raw.bytes.toString()).toBe("# Repo\n");
    }
    expect(await api.get(`${R}/readme`)).toMatchObject({ name: "README.md" });
    expect((await api.ask("GET", `${R}/contents/none`)).status).toBe(404);
    expect((await api.ask("GET", `${R}/contents/README.md?ref=none`)).body).toMatchObject({
      message: "No commit found for the ref none",
    });
  });

  it("gives trees, blobs and commits by their ids", async () => {
    const tree = await api.get(`${R}/git/trees/topic?recursive=1`);
    expect(tree).toMatchObject({ truncated: false });
    const paths = JSON.stringify(tree).match(/"path":"[^"]+"/g);
    expect(paths).toContain('"path":"docs/guide.md"');
    expect(paths).toContain('"path":"docs"');
    const blob = /"path":"docs\/guide.md","mode":"100644","type":"blob","sha":"(?<sha>\w+)"/.exec(JSON.stringify(tree))
      ?.groups?.["sha"];
    expect(await api.get(`${R}/git/blobs/${blob}`)).toMatchObject({ size: 6, content: "R3VpZGUK\n" });
    expect(await api.get(`${R}/git/commits/${api.commits.topic}`)).toMatchObject({
      message: "Topic",
      parents: [{ sha: api.commits.first }],
    });
    expect((await api.ask("GET", `${R}/git/commits/${blob}`)).status).toBe(404);
  });

  it("shows a commit with what it changed, renames and patches included", async () => {
    expect(await api.get(`${R}/commits/topic`)).toMatchObject({
      sha: api.commits.topic,
      commit: { message: "Topic", author: { name: "Ann", date: "2026-01-02T03:04:05Z" } },
      author: { login: "ann" },
      parents: [{ sha: api.commits.first }],
      stats: { additions: 2, deletions: 1, total: 3 },
      files: [
        { filename: "docs/guide.md", status: "added", additions: 1, deletions: 0, patch: "@@ -0,0 +1 @@\n+Guide" },
        { filename: "new name.txt", previous_filename: "old name.txt", status: "renamed", changes: 0 },
        { filename: "src/a.txt", status: "modified", additions: 1, deletions: 1 },
      ],
    });
    const sha = await api.ask("GET", `${R}/commits/refs/heads/topic`, {
      headers: { accept: "application/vnd.github.sha" },
    });
    expect(sha.bytes.toString()).toBe(api.commits.topic);
    const diff = await api.ask("GET", `${R}/commits/topic`, { headers: { accept: "application/vnd.github.v3.diff" } });
    expect(diff.bytes.toString()).toContain("rename to new name.txt");
    expect(await api.get(`${R}/commits?sha=topic&path=docs`)).toMatchObject([{ sha: api.commits.topic }]);
    expect((await api.ask("GET", `${R}/commits/none`)).body).toMatchObject({
      message: "No commit found for SHA: none",
    });
  });

  it("compares two commits from where they parted", async () => {
    expect(await api.get(`${R}/compare/main...topic`)).toMatchObject({
      status: "diverged",
      ahead_by: 1,
      behind_by: 1,
      merge_base_commit: { sha: api.commits.first },
      commits: [{ sha: api.commits.topic }],
      files: [{ filename: "docs/guide.md" }, { filename: "new name.txt" }, { filename: "src/a.txt" }],
    });
    expect(await api.get(`${R}/compare/octo:main...octo:main`)).toMatchObject({ status: "identical", files: [] });
    expect((await api.ask("GET", `${R}/compare/main...stranger:topic`)).status).toBe(404);
    expect((await api.ask("GET", `${R}/compare/main`)).status).toBe(404);
  });

  it("pages lists with a Link that leads here", async () => {
    const { body, headers } = await api.ask("GET", `${R}/branches?per_page=2&page=1`);
    expect(body).toHaveLength(2);
    expect(headers.get("link")).toBe(
      `<${api.origin}/api/v3/repos/octo/repo/branches?per_page=2&page=2>; rel="next", ` +
        `<${api.origin}/api/v3/repos/octo/repo/branches?per_page=2&page=2>; rel="last"`,
    );
    const next = await api.ask("GET", `${R}/branches?per_page=2&page=2`);
    expect(next.body).toMatchObject([{ name: "topic" }]);
    expect(next.headers.get("link")).toContain('rel="prev"');
    const commits = await api.ask("GET", `${R}/commits?per_page=1`);
    expect(commits.headers.get("link")).toContain('page=2>; rel="next"');
  });

  it("gives the files of a commit as archives named as GitHub names them", async () => {
    const tar = await api.ask("GET", `${R}/tarball/v1.0.0`);
    expect([...tar.bytes.subarray(0, 2)]).toEqual([0x1f, 0x8b]);
    expect(tar.headers.get("content-disposition")).toBe(
      `attachment; filename=octo-repo-${api.commits.first.slice(0, 7)}.tar.gz`,
    );
    const zip = await api.ask("GET", `${R}/zipball/refs/heads/main`);
    expect(zip.bytes.subarray(0, 2).toString()).toBe("PK");
    expect(zip.bytes.toString("latin1")).toContain(`octo-repo-${api.commits.main.slice(0, 7)}/only-main.txt`);
  });

  it("answers the same again with 304 to who has it", async () => {
    const first = await api.ask("GET", R);
    const again = await api.ask("GET", R, { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
    expect(again.status).toBe(304);
  });

  it("reads a mirror of another repository, and only git's part of it", async () => {
    expect(await api.get("/repos/other/tools/contents/README.md")).toMatchObject({ name: "README.md" });
    expect((await api.ask("GET", "/repos/other/tools/issues")).status).toBe(404);
    expect(
      (await api.ask("POST", "/repos/other/tools/git/refs", { body: { ref: "refs/heads/x", sha: api.commits.main } }))
        .status,
    ).toBe(404);
  });
});

describe("refs that a job makes", () => {
  it("are seen by what reads them later, and are not in the repository", async () => {
    await using own = await serveApi();
    const sha = own.commits.main;
    expect((await own.ask("POST", `${R}/git/refs`, { body: { ref: "refs/heads/made", sha } })).status).toBe(201);
    expect(await own.get(`${R}/commits/made`)).toMatchObject({ sha });
    expect(await own.get(`${R}/branches/made`)).toMatchObject({ commit: { sha } });
    expect((await own.ask("POST", `${R}/git/refs`, { body: { ref: "refs/heads/made", sha } })).body).toMatchObject({
      message: "Reference already exists",
    });
    expect((await own.ask("PATCH", `${R}/git/refs/heads/made`, { body: { sha: own.commits.first } })).status).toBe(200);
    expect(await own.get(`${R}/git/ref/heads/made`)).toMatchObject({ object: { sha: own.commits.first } });
    expect((await own.ask("DELETE", `${R}/git/refs/heads/main`)).status).toBe(204);
    expect((await own.ask("GET", `${R}/branches/main`)).status).toBe(404);
    expect(
      (await own.ask("POST", `${R}/git/refs`, { body: { ref: "refs/heads/x", sha: "0".repeat(40) } })).status,
    ).toBe(422);

    const tag = { tag: "v9", message: "Nine", object: sha, type: "commit" };
    const { body } = await own.ask("POST", `${R}/git/tags`, { body: tag });
    const made = /"sha":"(\w{40})"/.exec(JSON.stringify(body))?.[1] ?? "";
    expect((await own.ask("POST", `${R}/git/refs`, { body: { ref: "refs/tags/v9", sha: made } })).status).toBe(201);
    expect(await own.get(`${R}/git/ref/tags/v9`)).toMatchObject({ object: { type: "tag", sha: made } });
    expect(await own.get(`${R}/commits/v9`)).toMatchObject({ sha });
    expect(own.writes.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "POST /repos/octo/repo/git/refs",
      "PATCH /repos/octo/repo/git/refs/heads/made",
      "DELETE /repos/octo/repo/git/refs/heads/main",
      "POST /repos/octo/repo/git/tags",
      "POST /repos/octo/repo/git/refs",
    ]);
  });
});
