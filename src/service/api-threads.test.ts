import { describe, expect, it } from "vitest";
import { serveApi } from "./api.fixture.ts";

const R = "/repos/octo/repo";

describe("the pull request of the event", () => {
  it("is shown with what the repository says of its commits", async () => {
    await using api = await serveApi();
    expect(await api.get(`${R}/pulls/1`)).toMatchObject({
      number: 1,
      title: "Add a topic",
      labels: [{ name: "docs", color: "ffffff" }],
      head: { ref: "topic", sha: api.commits.topic },
      base: { ref: "main" },
      commits: 1,
      changed_files: 3,
      additions: 2,
      deletions: 1,
      mergeable: true,
      comments_url: `${api.origin}/api/v3/repos/octo/repo/issues/1/comments`,
      html_url: "https://github.com/octo/repo/pull/1",
    });
    expect(await api.get(`${R}/pulls/1/files`)).toMatchObject([
      { filename: "docs/guide.md", status: "added" },
      { filename: "new name.txt", status: "renamed", previous_filename: "old name.txt" },
      { filename: "src/a.txt", status: "modified" },
    ]);
    expect(await api.get(`${R}/pulls/1/commits`)).toMatchObject([{ sha: api.commits.topic }]);
    expect(await api.get(`${R}/commits/${api.commits.topic}/pulls`)).toMatchObject([{ number: 1 }]);
    expect(await api.get(`${R}/commits/${api.commits.main}/pulls`)).toEqual([]);
    expect(await api.get(`${R}/pulls?head=octo:topic&state=open`)).toMatchObject([{ number: 1 }]);
    expect(await api.get(`${R}/pulls?head=octo:other`)).toEqual([]);
    expect(await api.get(`${R}/issues/1`)).toMatchObject({ number: 1, pull_request: { merged_at: null } });
    const diff = await api.ask("GET", `${R}/pulls/1`, { headers: { accept: "application/vnd.github.diff" } });
    expect(diff.bytes.toString()).toContain("+TWO");
  });

  it("says so where its commits are not here, rather than that nothing changed", async () => {
    const sha = "1".repeat(40);
    const pull_request = { number: 4, title: "Elsewhere", head: { ref: "x", sha }, base: { ref: "main", sha } };
    await using api = await serveApi({ payload: { pull_request } });
    const { status, body } = await api.ask("GET", `${R}/pulls/4/files`);
    expect(status).toBe(422);
    expect(JSON.stringify(body)).toContain("commits of pull request 4 are not in this repository");
    expect(await api.get(`${R}/pulls/4`)).toMatchObject({ title: "Elsewhere", head: { sha } });
  });

  it("can be labelled, reviewed, commented, merged", async () => {
    await using api = await serveApi();
    const write = async (method: string, path: string, body = {}): Promise<unknown> =>
      (await api.ask(method, `${R}${path}`, { body })).body;
    expect(await write("POST", "/issues/1/labels", { labels: ["new one"] })).toMatchObject([
      { name: "docs" },
      { name: "new one" },
    ]);
    expect(await write("PUT", "/issues/1/labels", { labels: ["DOCS"] })).toMatchObject([{ name: "docs" }]);
    expect(await write("DELETE", "/issues/1/labels/docs")).toEqual([]);
    expect(await write("POST", "/pulls/1/reviews", { event: "APPROVE" })).toMatchObject({
      state: "APPROVED",
      user: { login: "github-actions[bot]" },
    });
    expect(await write("POST", "/pulls/1/reviews", { event: "COMMENT" })).toMatchObject({
      message: "Unprocessable Entity",
    });
    expect(await write("POST", "/pulls/1/comments", { body: "Nice", path: "src/a.txt", line: 2 })).toMatchObject({
      path: "src/a.txt",
      line: 2,
    });
    expect(await api.get(`${R}/pulls/1/reviews`)).toHaveLength(1);
    expect(await api.get(`${R}/pulls/1/comments`)).toMatchObject([{ body: "Nice" }]);
    expect(await write("POST", "/pulls/1/requested_reviewers", { reviewers: ["bob"] })).toMatchObject({
      requested_reviewers: [{ login: "bob" }],
    });
    expect(await write("PUT", "/pulls/1/merge", { sha: "2".repeat(40) })).toMatchObject({ status: "409" });
    expect(await write("PUT", "/pulls/1/merge")).toMatchObject({ merged: true, sha: api.commits.topic });
    expect((await api.ask("GET", `${R}/pulls/1/merge`)).status).toBe(204);
    expect(await api.get(`${R}/pulls?state=closed`)).toMatchObject([{ number: 1 }]);
    expect(await write("POST", "/pulls", { title: "More", head: "feature/with-slash", base: "main" })).toMatchObject({
      number: 2,
      head: { sha: api.commits.topic },
    });
    expect(await write("POST", "/pulls", { title: "More", head: "none", base: "main" })).toMatchObject({
      status: "422",
    });
  });
});

describe("issues", () => {
  const seed = {
    issues: [
      { number: 7, title: "Crash", labels: ["bug"], comments: ["Me too", { body: "Same", user: "bob" }], user: "cat" },
      { title: "Later", state: "closed" },
    ],
    labels: [{ name: "bug", color: "ff0000" }],
    milestones: [{ title: "Soon" }],
  };

  it("are those of the seed, completed", async () => {
    await using api = await serveApi({ seed });
    expect(await api.get(`${R}/issues?state=all`)).toMatchObject([
      { number: 8, title: "Later", state: "closed" },
      { number: 7, title: "Crash", labels: [{ name: "bug", color: "ff0000" }], comments: 2, user: { login: "cat" } },
      { number: 1, pull_request: {} },
    ]);
    expect(await api.get(`${R}/issues?labels=bug`)).toMatchObject([{ number: 7 }]);
    expect(await api.get(`${R}/issues/7/comments`)).toMatchObject([
      { body: "Me too" },
      { body: "Same", user: { login: "bob" } },
    ]);
    expect(await api.get(`${R}/milestones`)).toMatchObject([{ number: 1, title: "Soon" }]);
    expect((await api.ask("GET", `${R}/issues/99`)).status).toBe(404);
    expect((await api.ask("GET", `${R}/pulls/7`)).status).toBe(404);
  });

  it("show later what a job has written", async () => {
    await using api = await serveApi({ seed });
    const made = await api.ask("POST", `${R}/issues`, { body: { title: "New", labels: ["fresh"], milestone: 1 } });
    expect(made).toMatchObject({
      status: 201,
      body: { number: 9, milestone: { title: "Soon" }, user: { type: "Bot" } },
    });
    const comment = await api.ask("POST", `${R}/issues/9/comments`, { body: { body: "First" } });
    expect(comment).toMatchObject({
      status: 201,
      body: { html_url: expect.stringContaining("/octo/repo/issues/9#issuecomment-") },
    });
    const id = /"id":(\d+)/.exec(comment.bytes.toString())?.[1];
    expect((await api.ask("PATCH", `${R}/issues/comments/${id}`, { body: { body: "Changed" } })).body).toMatchObject({
      body: "Changed",
    });
    expect(
      (await api.ask("POST", `${R}/issues/comments/${id}/reactions`, { body: { content: "rocket" } })).status,
    ).toBe(201);
    expect(
      (await api.ask("POST", `${R}/issues/comments/${id}/reactions`, { body: { content: "rocket" } })).status,
    ).toBe(200);
    expect((await api.ask("POST", `${R}/issues/comments/${id}/reactions`, { body: { content: "hm" } })).status).toBe(
      422,
    );
    expect(await api.get(`${R}/issues/9/comments`)).toMatchObject([{ body: "Changed" }]);
    expect((await api.ask("DELETE", `${R}/issues/comments/${id}`)).status).toBe(204);
    expect(await api.get(`${R}/issues/9/comments`)).toEqual([]);
    expect(
      (await api.ask("PATCH", `${R}/issues/9`, { body: { state: "closed", state_reason: "completed" } })).body,
    ).toMatchObject({ state: "closed", closed_at: "2026-11-22T12:00:00Z" });
    expect((await api.ask("POST", `${R}/issues`, { body: {} })).body).toMatchObject({
      message: "Validation Failed",
      errors: [{ resource: "Issue", field: "title", code: "missing_field" }],
    });
    expect(api.writes).toContainEqual({
      job: "build",
      method: "POST",
      path: "/repos/octo/repo/issues/9/comments",
      status: 201,
      body: '{"body":"First"}',
    });
  });

  it("keep a label's changes with it", async () => {
    await using api = await serveApi({ seed });
    expect((await api.ask("POST", `${R}/labels`, { body: { name: "BUG" } })).status).toBe(422);
    expect((await api.ask("PATCH", `${R}/labels/bug`, { body: { color: "00ff00" } })).body).toMatchObject({
      color: "00ff00",
    });
    expect((await api.ask("DELETE", `${R}/labels/bug`)).status).toBe(204);
    expect(await api.get(`${R}/issues/7`)).toMatchObject({ labels: [] });
  });
});
