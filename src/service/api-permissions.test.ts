import { describe, expect, it } from "vitest";
import { ALL_WRITE, serveApi } from "./api.fixture.ts";
import { API_ROUTES } from "./api-routes.ts";

const R = "/repos/octo/repo";

interface ScopeCase {
  readonly scope: string;
  readonly read: string | undefined;
  readonly write: readonly [method: string, path: string, body: Readonly<Record<string, string>>];
}

/** One request that reads and one that writes for every scope; `{sha}` is a commit's. */
const CASES: readonly ScopeCase[] = [
  {
    scope: "contents",
    read: "/contents/README.md",
    write: ["POST", "/git/refs", { ref: "refs/heads/new", sha: "{sha}" }],
  },
  { scope: "issues", read: "/issues/7", write: ["POST", "/issues", { title: "t" }] },
  { scope: "pull-requests", read: "/pulls/1/files", write: ["POST", "/pulls/1/reviews", { event: "APPROVE" }] },
  {
    scope: "checks",
    read: "/commits/topic/check-runs",
    write: ["POST", "/check-runs", { name: "n", head_sha: "{sha}" }],
  },
  { scope: "statuses", read: "/commits/topic/status", write: ["POST", "/statuses/{sha}", { state: "success" }] },
  { scope: "deployments", read: "/deployments", write: ["POST", "/deployments", { ref: "topic" }] },
  { scope: "actions", read: "/actions/runs/77", write: ["POST", "/actions/runs/77/cancel", {}] },
];
const seed = { issues: [{ number: 7, title: "Crash" }] };

describe("permissions", () => {
  it.each(CASES)("of $scope: none refuses both, read reads, write does both", async ({ scope, read, write }) => {
    const [method, path, body] = write;
    for (const level of ["none", "read", "write"] as const) {
      await using api = await serveApi({ seed, permissions: { ...ALL_WRITE, [scope]: level } });
      const fill = (text: string): string => text.replace("{sha}", api.commits.topic);
      const filled = Object.fromEntries(Object.entries(body).map(([name, value]) => [name, fill(value)]));
      const reading = await api.ask("GET", `${R}${read}`);
      const writing = await api.ask(method, `${R}${fill(path)}`, { body: filled });
      expect(reading.status, `read with ${level}`).toBe(level === "none" ? 403 : 200);
      expect(writing.status < 300, `write with ${level}`).toBe(level === "write");
      if (level === "write") continue;
      expect(writing.body).toMatchObject({ message: "Resource not accessible by integration", status: "403" });
      expect(api.lines.at(-1)).toContain(`it needs the permission ${scope}: write`);
      expect(api.writes).toEqual([]);
    }
  });

  it("let a token without any read what every token may, and nothing else", async () => {
    await using api = await serveApi({ seed, permissions: {} });
    expect((await api.ask("GET", R)).status).toBe(200);
    expect((await api.ask("GET", "/rate_limit")).status).toBe(200);
    for (const { read } of CASES) expect((await api.ask("GET", `${R}${read}`)).status).toBe(403);
  });

  it("take pull-requests for issues only where the number is a pull request's", async () => {
    await using api = await serveApi({ seed, permissions: { "pull-requests": "write" } });
    expect((await api.ask("POST", `${R}/issues/1/comments`, { body: { body: "x" } })).status).toBe(201);
    expect((await api.ask("POST", `${R}/issues/7/comments`, { body: { body: "x" } })).status).toBe(403);
    expect((await api.ask("GET", `${R}/issues/99`)).status).toBe(403);
  });

  it("hold in GraphQL as well", async () => {
    await using api = await serveApi({ seed, permissions: { contents: "read" } });
    const mutation = `mutation { addComment(input: { subjectId: "PR_real", body: "x" }) { clientMutationId } }`;
    expect(await api.graphql(mutation)).toMatchObject({
      errors: [{ type: "FORBIDDEN", message: "Resource not accessible by integration" }],
    });
    expect(
      await api.graphql(`{ repository(owner: "octo", name: "repo") { pullRequest(number: 1) { title } } }`),
    ).toMatchObject({
      data: { repository: { pullRequest: null } },
      errors: [{ type: "FORBIDDEN" }],
    });
    expect(await api.graphql(`{ node(id: "PR_real") { id } }`)).toMatchObject({ errors: [{ type: "FORBIDDEN" }] });
    expect(
      await api.graphql(
        `{ repository(owner: "octo", name: "repo") { object(expression: "main:README.md") { ... on Blob { text } } } }`,
      ),
    ).toMatchObject({
      data: { repository: { object: { text: "# Repo\n" } } },
    });
  });

  it("are demanded by every route that writes", () => {
    const writing = API_ROUTES.filter(({ method }) => method !== "GET");
    expect(writing.length).toBeGreaterThan(50);
    for (const { pattern, needs } of writing)
      expect([pattern, needs]).toEqual([pattern, expect.objectContaining({ level: "write" })]);
    const below = API_ROUTES.filter(({ pattern }) => pattern.startsWith("/repos/"));
    expect(below.filter(({ needs }) => needs.kind === "nothing")).toEqual([]);
  });
});
