/** `--api github`, against a server that plays GitHub: what passes, what does not, and where the host's token is seen. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { serveApi } from "./api.fixture.ts";

const R = "/repos/octo/repo";
const REAL_TOKEN = "ghp_real-token-of-the-host";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

interface FakeAnswer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

interface FakeGithub extends AsyncDisposable {
  readonly apiUrl: string;
  readonly seen: Seen[];
}

async function fakeGithub(answer: (request: Seen, apiUrl: string) => FakeAnswer): Promise<FakeGithub> {
  const seen: Seen[] = [];
  const play = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "", url = "", headers: given } = request;
    const asked = { method, url, headers: given, body: (await buffer(request)).toString() };
    seen.push(asked);
    const { status = 200, headers = {}, body = "{}" } = answer(asked, apiUrl);
    response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers }).end(body);
  };
  const server = createServer((request, response) => void play(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const apiUrl = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/api/v3`;
  return {
    apiUrl,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("--api github", () => {
  it("asks GitHub with the host's token, of which the job sees nothing", async () => {
    await using github = await fakeGithub((_request, apiUrl) => ({
      status: 201,
      headers: {
        "set-cookie": "session=1",
        "x-oauth-scopes": "repo, admin:org",
        link: `<${apiUrl}/repositories/99/issues?page=2>; rel="next"`,
        "x-ratelimit-remaining": "4",
      },
      body: JSON.stringify({ number: 5, url: `${apiUrl}/repos/octo/repo/issues/5`, body: `see ${apiUrl}/x` }),
    }));
    await using api = await serveApi({ github: { apiUrl: github.apiUrl, token: REAL_TOKEN } });
    const { status, body, headers } = await api.ask("POST", `${R}/issues`, {
      body: { title: "New" },
      headers: {
        cookie: "a=b",
        "x-github-api-version": "2022-11-28",
        "x-forwarded-for": "1.2.3.4",
        "proxy-authorization": "Basic eA==",
        authorization: `Bearer ${api.token}`,
      },
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      number: 5,
      url: `${api.origin}/api/v3/repos/octo/repo/issues/5`,
      body: `see ${github.apiUrl}/x`,
    });
    expect(headers.get("link")).toBe(`<${api.origin}/api/v3/repos/octo/repo/issues?page=2>; rel="next"`);
    expect([...headers.keys()]).not.toEqual(expect.arrayContaining(["set-cookie"]));
    expect(headers.get("x-oauth-scopes")).toBeNull();
    const [asked] = github.seen;
    expect(asked).toMatchObject({ method: "POST", url: "/api/v3/repos/octo/repo/issues", body: '{"title":"New"}' });
    expect(asked?.headers).toMatchObject({
      authorization: `Bearer ${REAL_TOKEN}`,
      "x-github-api-version": "2022-11-28",
      "user-agent": "hearth",
    });
    expect(Object.keys(asked?.headers ?? {})).not.toEqual(expect.arrayContaining(["cookie"]));
    expect(asked?.headers).not.toHaveProperty("x-forwarded-for");
    expect(asked?.headers).not.toHaveProperty("proxy-authorization");
    expect(api.writes).toMatchObject([{ path: "/repos/octo/repo/issues", status: 201 }]);
  });

  it("holds the job to its permissions, whatever the host's token may do", async () => {
    await using github = await fakeGithub(() => ({}));
    await using api = await serveApi({
      permissions: { contents: "read" },
      github: { apiUrl: github.apiUrl, token: REAL_TOKEN },
    });
    expect((await api.ask("GET", `${R}/contents/a`)).status).toBe(200);
    expect((await api.ask("PUT", `${R}/contents/a`, { body: {} })).status).toBe(403);
    expect((await api.ask("POST", `${R}/issues`, { body: { title: "x" } })).status).toBe(403);
    expect(github.seen).toHaveLength(1);
  });

  it.each([
    ["GET", "/repos/octo/other/contents/a"],
    ["GET", "/repos/other/repo"],
    ["GET", "/user/repos"],
    ["GET", "/orgs/octo/repos"],
    ["GET", "/search/code?q=x"],
    ["GET", "/gists"],
    ["GET", `${R}/hooks`],
    ["GET", `${R}/actions/secrets`],
    ["GET", `${R}/actions/runners`],
    ["POST", `${R}/actions/runners/registration-token`],
    ["GET", `${R}/keys`],
    ["PUT", `${R}/collaborators/eve`],
    ["POST", `${R}/forks`],
    ["POST", `${R}/transfer`],
    ["PATCH", R],
    ["DELETE", R],
    ["PUT", `${R}/branches/main/protection`],
    ["GET", `${R}/contents/%2e%2e/%2e%2e/%2e%2e/other/repo/contents/a`],
    ["GET", `${R}/contents/..%2f..%2f..%2fother`],
    ["GET", `${R}/contents/..%5c..%5cother`],
    ["GET", `${R}/git/ref/heads%2f..%2f..%2f..%2fother`],
    ["POST", "/app/installations/1/access_tokens"],
  ])("does not pass on %s %s", async (method, path) => {
    await using github = await fakeGithub(() => ({}));
    await using api = await serveApi({ github: { apiUrl: github.apiUrl, token: REAL_TOKEN } });
    const { status } = await api.ask(method, path, method === "GET" ? {} : { body: {} });
    expect(status).toBe(404);
    expect(github.seen).toEqual([]);
  });

  it("asks GitHub whether a number is a pull request's where that decides", async () => {
    await using github = await fakeGithub(({ url }) => ({ status: url.endsWith("/pulls/8") ? 200 : 404 }));
    await using api = await serveApi({
      permissions: { "pull-requests": "write" },
      github: { apiUrl: github.apiUrl, token: REAL_TOKEN },
    });
    await api.ask("POST", `${R}/issues/8/comments`, { body: { body: "x" } });
    expect((await api.ask("POST", `${R}/issues/9/comments`, { body: { body: "x" } })).status).toBe(403);
    expect(github.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "GET /api/v3/repos/octo/repo/pulls/8",
      "POST /api/v3/repos/octo/repo/issues/8/comments",
      "GET /api/v3/repos/octo/repo/pulls/9",
    ]);
  });

  it("does not pass on GraphQL, which no one can hold to a repository", async () => {
    await using github = await fakeGithub(() => ({}));
    await using api = await serveApi({ github: { apiUrl: github.apiUrl, token: REAL_TOKEN } });
    expect(await api.graphql("{ viewer { login } }")).toMatchObject({ errors: [{ type: "FORBIDDEN" }] });
    expect(github.seen).toEqual([]);
    expect(api.lines.join()).toContain("GraphQL is not passed on");
  });

  it("answers itself what is of this run, this host and no repository", async () => {
    await using github = await fakeGithub(() => ({ body: '{"total_count":0}' }));
    await using api = await serveApi({ github: { apiUrl: github.apiUrl, token: REAL_TOKEN } });
    expect(await api.get(`${R}/actions/runs/77`)).toMatchObject({ id: 77, name: "CI" });
    expect(await api.get(`${R}/actions/runs/77/artifacts`)).toMatchObject({ total_count: 0 });
    expect(await api.get(`${R}/actions/caches`)).toMatchObject({ total_count: 0 });
    expect(await api.get("/rate_limit")).toMatchObject({ rate: { limit: 1000 } });
    expect(github.seen).toEqual([]);
    await api.get(`${R}/actions/runs/78`);
    expect(github.seen).toMatchObject([{ url: "/api/v3/repos/octo/repo/actions/runs/78" }]);
  });

  it("follows no redirect, and hands it over without the token", async () => {
    await using github = await fakeGithub(() => ({
      status: 302,
      headers: { location: "http://127.0.0.1:1/latest/meta-data" },
      body: "",
    }));
    await using api = await serveApi({ github: { apiUrl: github.apiUrl, token: REAL_TOKEN } });
    const { status, headers } = await api.ask("GET", `${R}/tarball/main`);
    expect([status, headers.get("location")]).toEqual([302, "http://127.0.0.1:1/latest/meta-data"]);
    expect(github.seen).toHaveLength(1);
  });

  it.each([
    ["in the body", { body: JSON.stringify({ echo: REAL_TOKEN }) }, 502],
    ["in a header", { headers: { location: `https://x/?t=${REAL_TOKEN}` }, status: 302, body: "{}" }, 302],
  ])("withholds an answer that has the token %s", async (_name, answer, status) => {
    await using github = await fakeGithub(() => answer);
    await using api = await serveApi({ github: { apiUrl: github.apiUrl, token: REAL_TOKEN } });
    const given = await api.ask("GET", `${R}/contents/a`);
    expect(given.status).toBe(status);
    expect(given.bytes.toString() + JSON.stringify([...given.headers])).not.toContain(REAL_TOKEN);
  });

  it("passes bytes through, and says what GitHub's trouble is", async () => {
    await using github = await fakeGithub(({ url }) => {
      if (url.includes("/tarball")) return { headers: { "content-type": "application/x-gzip" }, body: "bytes" };
      if (url.includes("/readme")) return { body: "<html>" };
      return { status: 401, body: '{"message":"Bad credentials"}' };
    });
    await using api = await serveApi({ github: { apiUrl: github.apiUrl, token: REAL_TOKEN } });
    expect((await api.ask("GET", `${R}/tarball`)).bytes.toString()).toBe("bytes");
    expect((await api.ask("GET", `${R}/readme`)).status).toBe(502);
    expect((await api.ask("GET", `${R}/branches`)).status).toBe(401);
    expect(api.lines).toEqual(["hearth: GitHub refuses the token that this host was given"]);
  });

  it("answers 502 when GitHub cannot be reached", async () => {
    const github = await fakeGithub(() => ({}));
    await github[Symbol.asyncDispose]();
    await using api = await serveApi({ github: { apiUrl: github.apiUrl, token: REAL_TOKEN } });
    const { status, body } = await api.ask("GET", `${R}/branches`);
    expect([status, JSON.stringify(body)]).toEqual([502, expect.stringContaining("GitHub cannot be reached")]);
  });
});
