/** The client against a GitHub that is played: credentials, deadlines, limits, redirects; and the played one against itself. */
import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dialTcp, resolveBySystem } from "../service/dial.ts";
import { startFakeGithub } from "../../test/github/fake-github.ts";
import type { Fault } from "../../test/github/fake-github.ts";
import { readAppCredentials } from "./app-tokens.ts";
import { createGithubClient } from "./client.ts";
import type { GithubClientOptions } from "./client.ts";
import { GithubProblem } from "./github-problem.ts";
import { createHookPages } from "./hook-pages.ts";

const SHA = "a".repeat(40);
const TOKEN = "ghp_test-token";
const way = { resolve: resolveBySystem, dial: dialTcp, upstream: undefined };
const token = { kind: "token", token: TOKEN } as const;
const status = {
  route: "POST /repos/{owner}/{repo}/statuses/{sha}",
  parameters: { sha: SHA, state: "success", context: "ci" },
  repository: "o/r",
};
const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
const app = { id: "42", publicKey: keys.publicKey, installedOn: ["o/r", "o/other"] };
const privateKey = keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString();

function clientOf(apiUrl: string, more: Partial<GithubClientOptions> = {}) {
  return createGithubClient({ apiUrl, credentials: token, way, pace: "none", now: Date.now, ...more });
}

async function problemOf(asked: Promise<unknown>): Promise<GithubProblem> {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof GithubProblem) return error;
  throw new Error(`expected a GithubProblem, not ${String(error)}`);
}

describe("the client of GitHub", () => {
  it("sends what it is asked to, with the token", async () => {
    await using github = await startFakeGithub({ token: TOKEN });
    expect(await clientOf(github.apiUrl).request(status)).toMatchObject({ status: 201, data: { state: "success" } });
    expect(github.calls[0]?.headers).toMatchObject({
      authorization: `token ${TOKEN}`,
      "user-agent": expect.stringContaining("hearth"),
    });
    expect(github.refused).toEqual([]);
  });

  it.each<[string, Fault, Partial<GithubProblem["trouble"]> & { kind: string }]>([
    [
      "a rate limit",
      { kind: "status", status: 429, headers: { "retry-after": "7" } },
      { kind: "limited", retryAfterMs: 7000 },
    ],
    [
      "a secondary limit",
      { kind: "status", status: 403, message: "You have exceeded a secondary rate limit" },
      { kind: "limited", retryAfterMs: 60_000 },
    ],
    [
      "a used up limit",
      { kind: "status", status: 403, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1100" } },
      { kind: "limited", retryAfterMs: 101_000 },
    ],
    [
      "missing rights",
      { kind: "status", status: 403, message: "Resource not accessible by integration" },
      { kind: "denied" },
    ],
    ["a place that is not there", { kind: "status", status: 404 }, { kind: "denied" }],
    ["what cannot be done", { kind: "status", status: 422 }, { kind: "refused" }],
    ["a fault of GitHub's", { kind: "status", status: 502 }, { kind: "unavailable" }],
    [
      "maintenance",
      { kind: "status", status: 503, headers: { "retry-after": "30" } },
      { kind: "unavailable", retryAfterMs: 30_000 },
    ],
    ["a cut connection", { kind: "cut", done: true }, { kind: "unavailable" }],
    ["silence", { kind: "hang", done: true }, { kind: "unavailable" }],
  ])("tells %s, and sends a write once", async (_name, fault, trouble) => {
    await using github = await startFakeGithub({ token: TOKEN, fault: () => fault });
    const client = clientOf(github.apiUrl, { deadlineMs: 2_000, now: () => 1_000_000 });
    const problem = await problemOf(client.request(status));
    expect(problem.trouble).toMatchObject(trouble);
    expect(`${problem.message} ${JSON.stringify(problem)}`).not.toContain(TOKEN);
    expect(github.calls).toHaveLength(1);
  });

  it("repeats a read that fails for GitHub's reasons, and no other", async () => {
    await using github = await startFakeGithub({
      token: TOKEN,
      fault: ({ number }) => (number < 3 ? { kind: "status", status: 500 } : undefined),
    });
    const asked = {
      route: "GET /repos/{owner}/{repo}/commits/{ref}/check-runs",
      parameters: { ref: SHA },
      repository: "o/r",
    };
    expect(await clientOf(github.apiUrl).request(asked)).toMatchObject({ data: { total_count: 0 } });
    expect(github.calls).toHaveLength(3);
  });

  it("follows no redirect with its token", async () => {
    const seen: string[] = [];
    const server = createServer((request, response) => {
      seen.push(request.url ?? "");
      response.writeHead(307, { location: "/elsewhere" }).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const problem = await problemOf(clientOf(`http://127.0.0.1:${port}`).request(status));
    await new Promise((resolve) => server.close(resolve));
    expect(problem).toMatchObject({ status: 307, trouble: { kind: "denied" } });
    expect(seen).toHaveLength(1);
  });

  it("ends with its caller", async () => {
    await using github = await startFakeGithub({ token: TOKEN, fault: () => ({ kind: "hang", done: false }) });
    const stop = new AbortController();
    const asked = clientOf(github.apiUrl).request({ ...status, signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(asked).rejects.toThrow("enough");
  });

  it.each(["o/..", "../r", "o/r/../../x", "o", "o/r?x", "o/a b"])(
    "asks nothing of the repository %s",
    async (repository) => {
      await using github = await startFakeGithub({ token: TOKEN });
      expect(await problemOf(clientOf(github.apiUrl).request({ ...status, repository }))).toMatchObject({
        trouble: { kind: "refused" },
      });
      expect(github.received).toEqual([]);
    },
  );
});

describe("a GitHub App's client", () => {
  it("makes one token for each repository, however many ask at once", async () => {
    await using github = await startFakeGithub({ app });
    const client = clientOf(github.apiUrl, { credentials: { kind: "app", appId: "42", privateKey } });
    await Promise.all([1, 2, 3].map(() => client.request(status)));
    await client.request({ ...status, repository: "o/other" });
    const made = github.calls.filter(({ route }) => route.endsWith("/access_tokens"));
    expect(made.map(({ body }) => body)).toEqual([{ repositories: ["r"] }, { repositories: ["other"] }]);
    expect(github.statuses).toHaveLength(4);
    expect(github.refused).toEqual([]);
  });

  it("makes a new token when the old one is refused, and before it ends", async () => {
    await using github = await startFakeGithub({ app });
    let nowMs = Date.now();
    const client = clientOf(github.apiUrl, { credentials: { kind: "app", appId: "42", privateKey }, now: () => nowMs });
    const tokens = () => github.calls.filter(({ route }) => route.endsWith("/access_tokens")).length;
    await client.request(status);
    github.revokeTokens();
    await client.request(status);
    expect([github.statuses.length, tokens()]).toEqual([2, 2]);
    nowMs += 57 * 60_000;
    await client.request(status);
    expect(tokens()).toBe(2);
    nowMs += 2 * 60_000;
    await client.request(status);
    expect(tokens()).toBe(3);
  });

  it("says where it is not installed", async () => {
    await using github = await startFakeGithub({ app });
    const client = clientOf(github.apiUrl, { credentials: { kind: "app", appId: "42", privateKey } });
    const problem = await problemOf(client.request({ ...status, repository: "stranger/r" }));
    expect(problem.message).toBe("the GitHub App is not installed on stranger/r");
    expect(problem.trouble.kind).toBe("denied");
  });

  it("reads both forms of its key, and says what is wrong with a file without repeating it", async () => {
    const directory = await mkdtemp(join(tmpdir(), "hearth-test-"));
    const file = join(directory, "key.pem");
    await writeFile(file, keys.privateKey.export({ type: "pkcs1", format: "pem" }));
    expect(readAppCredentials("42", file)).toEqual({ appId: "42", privateKey });
    await writeFile(file, "-----BEGIN PRIVATE KEY-----\nnot-a-key-at-all\n-----END PRIVATE KEY-----");
    expect(() => readAppCredentials("42", file)).toThrow(/holds no private key in PEM/);
    expect(() => readAppCredentials("42", file)).not.toThrow(/not-a-key/);
    expect(() => readAppCredentials("42", join(directory, "none"))).toThrow(/cannot be read/);
    expect(() => readAppCredentials("../x y", file)).toThrow(/its id/);
    await chmod(file, 0o600);
    await rm(directory, { recursive: true });
  });

  it.each([
    [{ kind: "app" }, "/app/hook/deliveries"],
    [{ kind: "repository", owner: "o", name: "r" }, "/repos/o/r/hooks/9/deliveries"],
  ] as const)("lists what was sent to the webhook of %o, and fetches each body", async (source, path) => {
    const deliveries = [5, 4, 3, 2, 1].map((id) => ({
      id,
      guid: `guid-${id}`,
      event: "push",
      payload: { ref: `r${id}` },
    }));
    await using github = await startFakeGithub({ app, deliveries });
    const get = createHookPages(clientOf(github.apiUrl, { credentials: { kind: "app", appId: "42", privateKey } }));
    const listed: unknown[] = [];
    for (let next: string | undefined = `${path}?per_page=100`; next !== undefined;) {
      const page = await get(next, source);
      listed.push(...(Array.isArray(page.body) ? page.body : []));
      next = page.next;
    }
    expect(listed).toMatchObject([5, 4, 3, 2, 1].map((id) => ({ id, guid: `guid-${id}` })));
    expect(await get(`${path}/3`, source)).toMatchObject({
      body: { request: { payload: { ref: "r3" } } },
      next: undefined,
    });
    expect(github.refused).toEqual([]);
  });
});

describe("the played GitHub", () => {
  const run = {
    name: "ci",
    head_sha: SHA,
    status: "completed",
    conclusion: "success",
    output: { title: "t", summary: "s" },
  };
  const annotation = { path: "a", start_line: 1, end_line: 1, annotation_level: "notice", message: "m" };

  it.each<[string, object]>([
    ["no name", { name: undefined }],
    ["another status", { status: "finished" }],
    ["a member that does not exist", { headSha: SHA }],
    ["no conclusion", { conclusion: undefined }],
    ["too many annotations", { output: { ...run.output, annotations: Array.from({ length: 51 }, () => annotation) } }],
    [
      "an annotation without a line",
      { output: { ...run.output, annotations: [{ ...annotation, start_line: undefined }] } },
    ],
    ["four buttons", { actions: Array.from({ length: 4 }, () => ({ label: "l", description: "d", identifier: "i" })) }],
    ["a button with a long label", { actions: [{ label: "l".repeat(21), description: "d", identifier: "i" }] }],
    ["a long text", { output: { ...run.output, text: "\n".repeat(40_000) } }],
    ["a time that is none", { started_at: "yesterday" }],
    ["an address that is none", { details_url: "javascript:alert(1)" }],
  ])("refuses a check run with %s, and takes it without", async (_name, change) => {
    await using github = await startFakeGithub({ token: TOKEN });
    const client = clientOf(github.apiUrl);
    const asked = (parameters: object) =>
      client.request({
        route: "POST /repos/{owner}/{repo}/check-runs",
        parameters: { ...parameters },
        repository: "o/r",
      });
    expect(await asked(run)).toMatchObject({ status: 201 });
    expect(github.refused).toEqual([]);
    expect(await problemOf(asked({ ...run, ...change }))).toMatchObject({ status: 422 });
    expect(github.refused).toHaveLength(1);
    expect(github.checkRuns).toHaveLength(1);
  });
});
