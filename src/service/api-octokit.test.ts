/** The facade as `@actions/github` sees it, which reads GITHUB_API_URL when it is loaded (ACTIONS-CONTRACT §5.10). */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serveApi } from "./api.fixture.ts";
import type { ServedApi } from "./api.fixture.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");

let api: ServedApi;
let directory: string;
beforeAll(async () => {
  api = await serveApi({ seed: { issues: [1, 2, 3, 4, 5].map((n) => ({ number: n + 10, title: `Issue ${n}` })) } });
  directory = await mkdtemp(join(ROOT, "node_modules/.hearth-octokit-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
  await api[Symbol.asyncDispose]();
});

/** Runs a script as `actions/github-script` does, and reads what it prints as JSON. */
async function script(body: string): Promise<unknown> {
  const file = join(directory, `${randomUUID()}.mjs`);
  await writeFile(
    file,
    `import { context, getOctokit } from "@actions/github";
     const github = getOctokit(${JSON.stringify(api.token)});
     const result = await (async () => { ${body} })();
     process.stdout.write(JSON.stringify(result ?? null));`,
  );
  const { stdout } = await run(process.execPath, [file], {
    env: {
      PATH: process.env["PATH"],
      GITHUB_API_URL: `${api.origin}/api/v3`,
      GITHUB_GRAPHQL_URL: `${api.origin}/api/graphql`,
      GITHUB_SERVER_URL: "https://github.com",
      GITHUB_REPOSITORY: "octo/repo",
    },
  });
  return JSON.parse(stdout);
}

describe("@actions/github", () => {
  it("pages through lists", async () => {
    const body = `const all = await github.paginate(github.rest.issues.listForRepo, { ...context.repo, per_page: 2, state: "all" });
      return all.map((issue) => issue.number);`;
    expect(await script(body)).toEqual([15, 14, 13, 12, 11, 1]);
  });

  it("reads files of a pull request and their contents", async () => {
    const body = `const { data: files } = await github.rest.pulls.listFiles({ ...context.repo, pull_number: 1 });
      const { data } = await github.rest.repos.getContent({ ...context.repo, path: "src/a.txt", ref: "feature/with-slash" });
      const { data: ref } = await github.rest.git.getRef({ ...context.repo, ref: "heads/feature/with-slash" });
      const { data: branch } = await github.rest.repos.getBranch({ ...context.repo, branch: "feature/with-slash" });
      return [files.length, Buffer.from(data.content, "base64").toString(), ref.object.sha === branch.commit.sha];`;
    expect(await script(body)).toEqual([3, "one\nTWO\nthree\nfour\nfive\nsix\n", true]);
  });

  it("comments, labels, and asks GraphQL", async () => {
    const body = `const { data } = await github.rest.issues.createComment({ ...context.repo, issue_number: 1, body: "Hello" });
      await github.rest.issues.addLabels({ ...context.repo, issue_number: 1, labels: ["a label"] });
      await github.rest.reactions.createForIssueComment({ ...context.repo, comment_id: data.id, content: "+1" });
      return await github.graphql("query($o:String!,$r:String!){repository(owner:$o,name:$r){pullRequest(number:1){labels(first:5){nodes{name}} comments(last:1){nodes{body}}}}}", { o: "octo", r: "repo" });`;
    expect(await script(body)).toEqual({
      repository: {
        pullRequest: {
          labels: { nodes: [{ name: "docs" }, { name: "a label" }] },
          comments: { nodes: [{ body: "Hello" }] },
        },
      },
    });
  });

  it("uploads an asset to the address that its release names, and downloads archives", async () => {
    const body = `const { data: release } = await github.rest.repos.createRelease({ ...context.repo, tag_name: "v3" });
      const { data: asset } = await github.rest.repos.uploadReleaseAsset({ ...context.repo, url: release.upload_url, release_id: release.id, name: "x.txt", data: "bytes" });
      const back = await github.rest.repos.getReleaseAsset({ ...context.repo, asset_id: asset.id, headers: { accept: "application/octet-stream" } });
      const tar = await github.rest.repos.downloadTarballArchive({ ...context.repo, ref: "main" });
      return [release.upload_url.startsWith(process.env.GITHUB_API_URL.replace("/v3", "/uploads")), Buffer.from(back.data).toString(), tar.data.byteLength > 100];`;
    expect(await script(body)).toEqual([true, "bytes", true]);
  });

  it("is told of what is missing as by GitHub", async () => {
    const body = `const of = async (asked) => { try { await asked; } catch (error) { return [error.status, error.message]; } };
      return [
        await of(github.rest.issues.get({ ...context.repo, issue_number: 999 })),
        await of(github.rest.repos.getContent({ ...context.repo, path: "none" })),
        await of(github.rest.repos.listWebhooks(context.repo)),
        await of(github.rest.users.getAuthenticated()),
      ];`;
    expect(await script(body)).toMatchObject([
      [404, expect.stringContaining("Not Found")],
      [404, expect.stringContaining("Not Found")],
      [404, expect.stringContaining("Not Found")],
      [403, expect.stringContaining("Resource not accessible by integration")],
    ]);
    expect(api.lines.join()).toContain("does not answer GET /repos/octo/repo/hooks");
  });
});
